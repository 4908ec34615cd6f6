// A call that a gateway sends, at the worker (numbers as in the code):
//
//   1  a worker that stops says so before anything else
//   2  the version: here already, or fetched; what cannot be had is said before the body is taken
//   3  a short body is read, a long one streamed as the instance reads it; one that the gateway keeps (100-continue) is asked for when the call has an instance
//   4  the pool runs it, as it would a call from outside; this worker's limits hold. A call that may not wait here goes back
//   5  the answer, with how the worker stands now; a function that changed protocols with its caller goes on until either ends it (TunnelWire)
using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;
using Stint.Cluster.Cache;
using Stint.Cluster.Transport;
using Stint.Invocations;

namespace Stint.Cluster.Workers;

/// <summary>What a worker's calls need of the daemon around them.</summary>
/// <param name="Cache">The code.</param>
/// <param name="Invoke">Runs a call here.</param>
/// <param name="Warm">Free warm instances of a function.</param>
/// <param name="AvailableMiB">Memory that is available.</param>
/// <param name="Typical">How long a function's calls take as a rule; null when that is not known.</param>
internal sealed record WorkerCallParts(CodeCache Cache, Func<Invocation, ValueTask<Reply>> Invoke, Func<FunctionName, int> Warm, Func<long> AvailableMiB, Func<FunctionName, TimeSpan?> Typical);

/// <summary>Runs gateways' calls on this worker.</summary>
/// <param name="parts">What it works with.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Log.</param>
internal sealed class WorkerCalls(WorkerCallParts parts, TimeProvider time, ILogger<WorkerCalls> logger)
{
    private int _running;
    private volatile string? _refusal;

    /// <summary>What it answers.</summary>
    public IEnumerable<KeyValuePair<string, NodeHandler>> Handlers =>
    [
        new(CallWire.Target, request => NodeAnswers.AnswerAsync(request, InvokeAsync, logger)),
        new(TunnelWire.Target, request => NodeAnswers.AnswerAsync(request, InvokeAsync, logger)),
        new(WorkerPaths.Prepare, request => NodeAnswers.AnswerAsync(request, PrepareAsync, logger)),
        new(WorkerPaths.Ping, request => NodeAnswers.AnswerAsync(request, NodeDialogue.PongAsync, logger)),
    ];

    /// <summary>Calls that are here now.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>Why it takes no calls; null: it does.</summary>
    public string? Refusal { get => _refusal; set => _refusal = value; }

    private async Task InvokeAsync(NodeRequest request)
    {
        // 1
        if (_refusal is { } refusal)
        {
            await ReplyWire.RefuseAsync(request.Context, NodeHeaders.RefusedDraining, refusal).ConfigureAwait(false);
            return;
        }
        Interlocked.Increment(ref _running);
        try
        {
            await RunAsync(request).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    private async Task RunAsync(NodeRequest request)
    {
        // 2
        var arrived = time.GetTimestamp();
        var headers = request.Headers;
        var function = CallWire.ReadVersion(headers, out var version);
        if (await parts.Cache.EnterAsync(function, version, request.Aborted).ConfigureAwait(false) is { } problem)
        {
            await ReplyWire.RefuseAsync(request.Context, NodeHeaders.RefusedCode, $"{function}: {problem}").ConfigureAwait(false);
            return;
        }
        CallBody? body = null;
        IDisposable? stay = null;
        try
        {
            // 3
            ReadOnlySequence<byte> whole = default;
            PipeReader? stream = null;
            Func<CancellationToken, ValueTask>? starting = null;
            if (!TunnelWire.IsAsked(headers) && request.Context.Get<IHttpRequestBodyDetectionFeature>() is not { CanHaveBody: false })
            {
                var pipe = request.Context.GetRequiredFeature<IRequestBodyPipeFeature>().Reader;
                var isShort = headers.ContentLength is { } length && length <= Invocation.MaxInlineBody;
                body = new CallBody(pipe, isShort);
                if (CallWire.IsKept(headers)) starting = body.TakeAsync;
                if (!isShort) stream = pipe;
                else if (starting is null) whole = await body.ReadAsync(request.Aborted).ConfigureAwait(false);
            }
            var invocation = CallWire.Read(headers, function, whole, stream, starting, time.GetElapsedTime(arrived), request.Aborted);
            if (body is not null) body.Invocation = invocation;
            // 4
            using var reply = await parts.Invoke(invocation).ConfigureAwait(false);
            if (invocation.IsDeclined(reply))
            {
                await ReplyWire.RefuseAsync(request.Context, NodeHeaders.RefusedBusy, reply.Error ?? "", load: Load(function)).ConfigureAwait(false);
                return;
            }
            // 5
            if (reply.Tunnel is not null) stay = parts.Cache.Stay(function);
            await ReplyWire.WriteAsync(request.Context, reply, Load(function)).ConfigureAwait(false);
            if (stream is not null && reply.Completion is { } completion) await completion.ConfigureAwait(false);
        }
        finally
        {
            body?.Release();
            if (stay is not null) stay.Dispose();
            else parts.Cache.Leave(function);
        }
    }

    // Without the call that is just being answered.
    private string Load(FunctionName function)
    {
        var load = string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, Running - 1)} {parts.Warm(function)} {parts.AvailableMiB()}");
        return parts.Typical(function) is { } typical ? string.Create(CultureInfo.InvariantCulture, $"{load} {(long)typical.TotalMilliseconds}") : load;
    }

    private async Task PrepareAsync(NodeRequest request)
    {
        var question = await NodeDialogue.ReadAsync(request, NodeMessages.Default.PrepareQuestion).ConfigureAwait(false);
        var version = question.Version;
        if (!FunctionName.TryParse(version.Function, out var function) || !CodeVersion.IsHash(version.Hash)) throw new NodeProtocolException("the function's name or hash is none");
        string? problem;
        if (question.IsGone) problem = await parts.Cache.EvictAsync(function, request.Aborted).ConfigureAwait(false);
        else if (_refusal is { } refusal) problem = refusal;
        else
        {
            problem = await parts.Cache.EnterAsync(function, new CodeVersion(version.Hash, version.Change, version.Secrets), request.Aborted).ConfigureAwait(false);
            if (problem is null) parts.Cache.Leave(function);
        }
        await NodeDialogue.WriteAsync(request, new PrepareAnswer(problem), NodeMessages.Default.PrepareAnswer).ConfigureAwait(false);
    }
}
