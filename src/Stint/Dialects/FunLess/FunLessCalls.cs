// POST /v1/fn/{mod}/{fn}: a call of a function of any runtime.
//
//   1. the body: args (the function's body, {} without any) and scheduling
//   2. the worker: on one machine there is one, and script or default policy say whether it may; in a cluster they are asked again when the call is sent (Cluster/Dispatch/CallPlacer)
//   3. the call goes the way of all calls; its answer, collected, becomes {"data":…}: JSON as it is, other texts as a JSON text, bytes that are no text in base64
//   4. what is not an answer becomes an error in FunLess's words
using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Stint.Functions;
using Stint.Hosting;
using Stint.Invocations;
using Stint.Scheduling;

namespace Stint.Dialects.FunLess;

/// <summary>Calls through FunLess's API.</summary>
internal sealed class FunLessCalls(Platform platform)
{
    /// <summary>The most bytes of a request; it is JSON that has to be looked into, so it lies in memory.</summary>
    public const int MaxRequest = 8 * 1024 * 1024;

    // FunLess's default (its OpenAPI document), KiB.
    private const int DefaultCapacity = 64;

    private const string Form = "{\"args\":…,\"scheduling\":{\"language\":\"app\",\"script\":\"NAME\"}}, where both may be left out";

    // A result nested deeper is passed on as a text.
    private static readonly JsonReaderOptions ResultOptions = new() { MaxDepth = 256 };

    private long MaxResult => platform.Options.MaxBodyMiB * 1024L * 1024L;

    /// <summary>Runs one.</summary>
    public async Task InvokeAsync(HttpContext context, FunctionName name, FunctionSpec? spec)
    {
        // 1.
        var request = await ReadAsync(context).ConfigureAwait(false);
        var args = request.Args is { ValueKind: not JsonValueKind.Null } given ? JsonMarshal.GetRawUtf8Value(given).ToArray() : "{}"u8.ToArray();

        // 2.
        Place(request.Scheduling, spec);

        // 3.
        var invocation = new Invocation
        {
            Function = name,
            CallId = CallId.Accept(context.Request.Headers["X-Call-Id"]),
            Headers = new HeaderList { { "Content-Type", "application/json" }, { "Accept", "application/json" } },
            Body = new ReadOnlySequence<byte>(args),
            // With workers, who runs it is decided when it is sent.
            Script = platform.Gateway?.Placer is null ? null : request.Scheduling?.Script,
            From = context.Connection.RemoteIpAddress,
            CallerGone = context.RequestAborted,
        };
        context.Response.Headers["X-Call-Id"] = invocation.CallId;
        using var reply = await platform.InvokeAsync(invocation).ConfigureAwait(false);
        if (reply.Outcome != Outcome.Answered) throw Refuse(context, reply, isWasm: spec?.Wasm is not null);
        var body = reply.Rest is null ? reply.Body : await CollectAsync(reply, context.RequestAborted).ConfigureAwait(false);
        if (reply.Status >= 400) throw new FunLessRefusal(StatusCodes.Status422UnprocessableEntity, $"the function answered with status {reply.Status}", $"Error: {Shown(body, reply.Status)}");
        await FunLessAnswer.WriteAsync(context, StatusCodes.Status200OK, "{\"data\":"u8.ToArray(), AsJson(body), "}"u8.ToArray()).ConfigureAwait(false);
    }

    /// <summary>A result as JSON.</summary>
    public static ReadOnlyMemory<byte> AsJson(ReadOnlyMemory<byte> result)
    {
        if (IsJson(result.Span)) return result;
        var text = Utf8.IsValid(result.Span) ? Encoding.UTF8.GetString(result.Span) : Convert.ToBase64String(result.Span);
        return JsonSerializer.SerializeToUtf8Bytes(text, FunLessJson.Default.String);
    }

    /// <summary>FunLess's status and words for what is not an answer.</summary>
    /// <param name="outcome">How the call ended.</param>
    /// <param name="error">What is said of it.</param>
    /// <param name="isOwnError">The function reported the error itself.</param>
    public static (int Status, string? Detail) Word(Outcome outcome, string error, bool isOwnError) => outcome switch
    {
        Outcome.FunctionFailed when isOwnError => (StatusCodes.Status422UnprocessableEntity, $"Error: {error}"),
        Outcome.Answered or Outcome.FunctionFailed or Outcome.TimedOut or Outcome.Crashed or Outcome.ContractBroken or Outcome.Cancelled => (StatusCodes.Status500InternalServerError, $"Something went wrong: {error}"),
        Outcome.NotFound => (StatusCodes.Status404NotFound, null),
        Outcome.BadRequest => (StatusCodes.Status400BadRequest, null),
        Outcome.Unauthorized => (StatusCodes.Status401Unauthorized, null),
        Outcome.TooLarge => (StatusCodes.Status413PayloadTooLarge, null),
        Outcome.Shed or Outcome.Unavailable or Outcome.NotImplemented => (StatusCodes.Status503ServiceUnavailable, NoWorker),
    };

    private const string NoWorker = "No worker available";

    private static string Names(IReadOnlyList<WorkerSnapshot> workers) => workers.Count == 0 ? "there is none" : string.Join(", ", workers.Select(static worker => worker.Name));

    private static async Task<FunLessCallRequest> ReadAsync(HttpContext context)
    {
        var body = new ArrayBufferWriter<byte>(4096);
        for (int read; (read = await context.Request.Body.ReadAsync(body.GetMemory(4096), context.RequestAborted).ConfigureAwait(false)) > 0;)
        {
            body.Advance(read);
            if (body.WrittenCount > MaxRequest) throw new FunLessRefusal(StatusCodes.Status413PayloadTooLarge, $"the request is larger than {MaxRequest / 1024 / 1024} MiB; call the function at the HTTP endpoint, which streams");
        }
        if (body.WrittenCount == 0) return new FunLessCallRequest(null, null);
        try
        {
            return JsonSerializer.Deserialize(body.WrittenSpan, FunLessJson.Default.FunLessCallRequest) ?? throw FunLessRefusal.Bad($"the body must be {Form}");
        }
        catch (JsonException)
        {
            throw FunLessRefusal.Bad($"the body must be {Form}");
        }
    }

    private void Place(FunLessScheduling? scheduling, FunctionSpec? spec)
    {
        AppScript? script = null;
        switch (scheduling?.Language)
        {
            case null when scheduling?.Script is not null:
            case "app" when scheduling.Script is null:
                throw FunLessRefusal.Bad("'scheduling' must be {\"language\":\"app\",\"script\":\"NAME\"} or {\"language\":\"none\"}");
            case null or "none":
                // Theirs has a capacity for every function; ours only where somebody gave it one. Without one there is nothing that the only worker could lack.
                if (scheduling is null && spec?.CapacityKiB is null) return;
                break;
            case "app":
                script = (platform.Scripts.Find(scheduling.Script) ?? throw FunLessScripts.Missing()).Parsed;
                break;
            default:
                throw FunLessRefusal.Bad("'scheduling.language' must be app or none");
        }
        var request = new SchedulingRequest(spec?.Tag, (spec?.CapacityKiB ?? DefaultCapacity) * 1024L);
        IReadOnlyList<WorkerSnapshot> workers = platform.Gateway?.Placer?.Describe() ?? [LocalWorker.Describe(platform)];
        var placement = script is null ? DefaultPolicy.Choose(request, workers, Random.Shared) : AppPolicy.Choose(script, request, workers, Random.Shared);
        switch (placement.Fault)
        {
            case PlacementFault.None: return;
            case PlacementFault.NoMatchingTag:
                throw new FunLessRefusal(StatusCodes.Status500InternalServerError, $"the script {scheduling!.Script} has neither the function's tag nor a tag '{AppScript.DefaultTag}'", "Something went wrong: :no_matching_tag");
            case PlacementFault.NoWorkers or PlacementFault.NoValidWorkers:
                throw new FunLessRefusal(StatusCodes.Status503ServiceUnavailable,
                    script is null ? $"no worker has the function's capacity available ({Names(workers)})" : $"the script {scheduling!.Script} lets no worker take the call now; there are: {Names(workers)}", NoWorker);
        }
    }

    private async Task<ReadOnlyMemory<byte>> CollectAsync(Reply reply, CancellationToken cancellationToken)
    {
        var body = new ArrayBufferWriter<byte>();
        body.Write(reply.Body.Span);
        try
        {
            while (await reply.Rest!.ReadAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
            {
                if (body.WrittenCount + (long)piece.Length > MaxResult) throw Wrong($"the result is larger than {platform.Options.MaxBodyMiB} MiB (--max-body)");
                body.Write(piece.Span);
            }
        }
        catch (IOException failure)
        {
            throw Wrong(failure.Message);
        }
        return body.WrittenMemory;

        static FunLessRefusal Wrong(string why) => new(StatusCodes.Status500InternalServerError, why, $"Something went wrong: {why}");
    }

    private static FunLessRefusal Refuse(HttpContext context, Reply reply, bool isWasm)
    {
        if (reply.RetryAfter is { } wait) context.Response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        // A module says itself what went wrong, or it was trapped, which is nobody's word; other functions' exceptions are their words.
        var (status, detail) = Word(reply.Outcome, reply.Error ?? "", reply.IsFunctionsOwnError || !isWasm);
        return new FunLessRefusal(status, reply.Error ?? "", detail);
    }

    private static bool IsJson(ReadOnlySpan<byte> text)
    {
        try
        {
            var reader = new Utf8JsonReader(text, ResultOptions);
            while (reader.Read()) { }
            // The reader does not look into texts.
            return Utf8.IsValid(text);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string Shown(ReadOnlyMemory<byte> body, int status)
    {
        const int longest = 16 * 1024;
        var text = Encoding.UTF8.GetString(body.Span[..Math.Min(body.Length, longest)]);
        return text.Length > 0 ? text : status.ToString(CultureInfo.InvariantCulture);
    }
}
