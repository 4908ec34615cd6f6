// Asynchronous calls. The caller hears 202 when the call is on disk, and from then on it runs at least once, whatever happens to the daemon:
//
//   AcceptAsync ─▶ store ─▶ the function's lane ─▶ router ─┬▶ answered: done, and in the same transaction what follows (callback, sinks) is in the outbox
//                    ▲                                     ├▶ to be tried again: later, with back-off
//                    └─────────────────────────────────────┘  no use: a dead letter (stint async)
//
// Verdicts.cs says which is which.
using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using Stint.Deliveries.Callbacks;
using Stint.Deliveries.Lanes;
using Stint.Deliveries.Storage;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Deliveries;

/// <summary>What asynchronous calls need of the rest of the daemon.</summary>
internal sealed record AsyncParts
{
    /// <summary>Where calls are kept.</summary>
    public required StoreSlot Slot { get; init; }

    /// <summary>Runs a call.</summary>
    public required Func<Invocation, ValueTask<Reply>> Invoke { get; init; }

    /// <summary>Why a function cannot be called at all; null when it can.</summary>
    public required Func<FunctionName, Reply?> Refuse { get; init; }

    /// <summary>How a function's calls are run.</summary>
    public required Func<FunctionName, AsyncPolicy> Policy { get; init; }

    /// <summary>Delivers results.</summary>
    public required Outbox Outbox { get; init; }

    /// <summary>What follows calls.</summary>
    public required Followers Followers { get; init; }

    /// <summary>Which callback URLs are acceptable.</summary>
    public required CallbackRules Callbacks { get; init; }

    /// <summary>Functions' logs.</summary>
    public required FunctionLogs Logs { get; init; }

    /// <summary>Settings.</summary>
    public AsyncOptions Options { get; init; } = new();

    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>The daemon's log.</summary>
    public required ILogger<AsyncCalls> Logger { get; init; }
}

/// <summary>Takes over calls whose callers do not wait for the answer.</summary>
internal sealed partial class AsyncCalls(AsyncParts parts) : IAsyncDisposable
{
    private static readonly TimeSpan StoreRetryAfter = TimeSpan.FromSeconds(10);

    private LaneSet? _lanes;

    /// <summary>What became of calls, by function.</summary>
    public DeliveryCounters Counters { get; } = new();

    /// <summary>Told of each try that came to an answer, with its status.</summary>
    public Action<FunctionName, int, TimeSpan> Ran { get; set; } = static (_, _, _) => { };

    /// <summary>Calls that are held by this daemon now.</summary>
    public int Running => _lanes?.Running ?? 0;

    /// <summary>Begins to run calls, with those that an earlier run left. The functions must be in service.</summary>
    public async Task BeginAsync()
    {
        if (parts.Slot.Store is not { } store) return;
        _lanes = new LaneSet(store, new LaneWork { Terms = TermsOf, TryAsync = TryAsync, Ended = Ended, Places = parts.Options.Concurrency, Takes = lane => lane.Kind == Entry.CallKind && (store.LookEvery is null || parts.Refuse(lane.Function) is null) }, parts.Time, parts.Logger);
        await _lanes.BeginAsync().ConfigureAwait(false);
    }

    /// <summary>Takes a call over: it is on disk when the task ends. A call whose identity is known already is accepted, and not run again.</summary>
    /// <returns>Null when accepted, else the reason why not.</returns>
    public async ValueTask<Reply?> AcceptAsync(Invocation invocation)
    {
        if (parts.Refuse(invocation.Function) is { } refusal) return refusal;
        if (parts.Slot.Store is not { } store) return Reply.Failure(Outcome.Unavailable, parts.Slot.Problem ?? "", TimeSpan.FromSeconds(60));
        if (!invocation.Headers.TryGet(CallbackRules.Header, out var callback)) callback = null;
        else if (parts.Callbacks.Refuse(callback) is { } problem) return Reply.Failure(Outcome.BadRequest, problem);
        try
        {
            var spooled = invocation.BodyStream is { } stream ? await parts.Slot.Bodies.WriteAsync(stream, parts.Slot.Room(invocation.Function)).ConfigureAwait(false) : null;
            if (invocation.BodyStream is not null && spooled is null) return TooMany(invocation.Function);
            var entry = ToEntry(invocation, callback, spooled);
            var addition = (await store.AddAsync([entry]).ConfigureAwait(false))[0];
            if (addition == Addition.TooMany) return TooMany(invocation.Function);
            if (addition == Addition.Added)
            {
                Counters.Of(invocation.Function.ToString()).Accepted();
                _lanes?.Wake(KeyOf(invocation.Function));
            }
            return null;
        }
        catch (StoreException failure)
        {
            return Reply.Failure(Outcome.Unavailable, $"the call was not accepted: {failure.Message}", StoreRetryAfter);
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException)
        {
            return Reply.Failure(failure is BodyTooLargeException ? Outcome.TooLarge : Outcome.BadRequest, failure.Message);
        }
    }

    /// <summary>A function is no longer deployed: what waits becomes dead letters, so that deploying it again and <c>stint async retry</c> bring it back.</summary>
    public async Task ForgetAsync(FunctionName function)
    {
        if (parts.Slot.Store is not { } store) return;
        try
        {
            var count = await store.BuryCallsAsync(function, "the function was removed").ConfigureAwait(false);
            for (var i = 0; i < count; i++) Counters.Of(function.ToString()).Died();
            if (count > 0) Buried(parts.Logger, count, function);
        }
        catch (StoreException failure)
        {
            _lanes?.Report(failure);
        }
    }

    /// <summary>A function is deployed, or its policy has changed: its lane is to look again.</summary>
    public void Wake(FunctionName function)
    {
        if (parts.Slot.Store?.Usage.Of(function).Calls > 0) _lanes?.Wake(KeyOf(function));
    }

    /// <summary>Entries were brought back to life.</summary>
    public void Wake(LaneKey lane) => _lanes?.Wake(lane);

    /// <summary>Begins no more calls: they stay on disk for the next start. Running ones have until the token fires.</summary>
    public Task DrainAsync(CancellationToken deadline) => _lanes?.DrainAsync(deadline) ?? Task.CompletedTask;

    /// <summary>Begins no more calls, at once.</summary>
    public Task StopAsync() => _lanes?.StopAsync() ?? Task.CompletedTask;

    /// <summary>Ends when what ran has been noted; whatever runs calls must have been drained.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_lanes is { } lanes) await lanes.DisposeAsync().ConfigureAwait(false);
    }

    private static LaneKey KeyOf(FunctionName function) => new($"{Entry.CallKind}:{function}", Entry.CallKind, function);

    private LaneTerms TermsOf(LaneKey lane)
    {
        var policy = parts.Policy(lane.Function);
        return new LaneTerms(policy.IsOrdered, policy.Concurrency);
    }

    private static Reply TooMany(FunctionName function) =>
        Reply.Overload(Outcome.Shed, $"too many asynchronous calls of {function} are waiting; try again later", TimeSpan.FromSeconds(5));

    private Entry ToEntry(Invocation call, string? callback, (string Name, long Length)? spooled)
    {
        var headers = new List<string>(call.Headers.Count * 2);
        foreach (var (name, value) in call.Headers)
        {
            headers.Add(name);
            headers.Add(value);
        }
        var head = new CallHead(call.Method, call.Path, call.Query, headers, call.From?.ToString(), call.IsFromTrustedProxy, call.Scheme, callback);
        // One piece, as a rule: then it is the ingress's own buffer, which is valid until the call has been accepted.
        var body = spooled is not null ? default : call.Body.IsSingleSegment ? call.Body.First : call.Body.ToArray();
        return new Entry(Entry.CallKind, KeyOf(call.Function).Lane, call.Function, call.CallId, call.CallId, JsonSerializer.SerializeToUtf8Bytes(head, HeadJson.Default.CallHead),
            body, spooled?.Name, spooled?.Length ?? body.Length, call.HasOwnCallId, parts.Time.GetUtcNow());
    }

    private async Task<Verdict> TryAsync(Claimed claimed, CancellationToken abandon)
    {
        var entry = claimed.Entry;
        CallHead head;
        try
        {
            head = JsonSerializer.Deserialize(entry.Head, HeadJson.Default.CallHead)!;
        }
        catch (JsonException failure)
        {
            return new Verdict(new Ending.Dead(null, $"it cannot be read: {failure.Message}", []));
        }
        FileStream? file = null;
        try
        {
            if (entry.File is { } name) file = await parts.Slot.Bodies.OpenAsync(name).ConfigureAwait(false);
        }
        catch (StoreException failure)
        {
            return new Verdict(new Ending.Later(parts.Time.GetUtcNow() + StoreRetryAfter, false, null, failure.Message));
        }
        catch (IOException failure)
        {
            return new Verdict(new Ending.Dead(null, $"its body is lost: {failure.Message}", []));
        }
        var body = file is null ? null : PipeReader.Create(file);
        try
        {
            return await RunAsync(claimed, head, body).ConfigureAwait(false);
        }
        finally
        {
            if (body is not null) await body.CompleteAsync().ConfigureAwait(false);
        }
    }

    private async Task<Verdict> RunAsync(Claimed claimed, CallHead head, PipeReader? body)
    {
        var entry = claimed.Entry;
        var invocation = new Invocation
        {
            Function = entry.Function,
            CallId = entry.CallId,
            HasOwnCallId = entry.KeepsId,
            Method = head.Method,
            Path = head.Path,
            Query = head.Query,
            Headers = ReadHeaders(head.Headers),
            From = head.From is { } from && System.Net.IPAddress.TryParse(from, out var address) ? address : null,
            IsFromTrustedProxy = head.IsFromTrustedProxy,
            Scheme = head.Scheme,
            Body = body is null ? new ReadOnlySequence<byte>(entry.Body) : default,
            BodyStream = body,
            BodyLength = body is null ? null : entry.Length,
        };
        var follower = parts.Followers.Find(entry.Function);
        var began = parts.Time.GetTimestamp();
        CallEnd end;
        using (var reply = await parts.Invoke(invocation).ConfigureAwait(false))
        {
            end = await CallEnd.OfAsync(reply, head.Callback is null && follower is null ? 0 : parts.Options.MaxResult).ConfigureAwait(false);
            if (reply.Completion is { } completion) await completion.ConfigureAwait(false);
        }
        var took = parts.Time.GetElapsedTime(began);
        if (_lanes!.IsStopping && end.Kind is (CallEndKind.PlatformFailed or CallEndKind.Crashed)) return new Verdict(new Ending.Later(parts.Time.GetUtcNow(), false, null, "the daemon stopped while it ran"));
        Ran(entry.Function, end.Status, took);
        return Judge(claimed, head, invocation, end, took, follower);
    }

    private static HeaderList ReadHeaders(IReadOnlyList<string> names)
    {
        var headers = new HeaderList();
        for (var i = 0; i + 1 < names.Count; i += 2) headers.Add(names[i], names[i + 1]);
        return headers;
    }

    [LoggerMessage(400, LogLevel.Warning, "{Count} asynchronous calls of {Function} became dead letters: the function was removed")]
    private static partial void Buried(ILogger logger, int count, FunctionName function);
}
