using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Stint.Cluster.Nodes;
using Stint.Cluster.Transport;
using Stint.Functions;
using Stint.Invocations;
using Stint.Scheduling;

namespace Stint.Cluster.Dispatch;

/// <summary>
/// A worker as this gateway knows it: what it reported last, what its answers have said since, and what this gateway itself has on it. Numbers are estimates; the worker has the last word.
/// </summary>
internal sealed class KnownWorker : IDisposable
{
    private readonly ConcurrentDictionary<FunctionName, int> _warm = [];
    private readonly RunningTags _ownTags = new();
    private readonly ConcurrentDictionary<FunctionName, bool> _full = [];
    private readonly ConcurrentDictionary<FunctionName, TimeSpan> _typical = [];
    private readonly NodeLink _link;
    private readonly Uri _target;
    private volatile NodeReport _report;
    private int _inFlight;
    private int _others;      // calls of other gateways, as of the last word of the worker
    private long _availableMiB;
    private int _isRetired;

    /// <param name="name">Its name.</param>
    /// <param name="instance">One run of its daemon.</param>
    /// <param name="addresses">Where it is.</param>
    /// <param name="report">What it said last.</param>
    /// <param name="credentials">This machine.</param>
    public KnownWorker(string name, string instance, string addresses, NodeReport report, NodeCredentials credentials)
    {
        (Name, Instance, Addresses, _report) = (name, instance, addresses, report);
        _link = NodeLink.ToNode(name, NodeAddress.ParseList(addresses), credentials);
        _target = new Uri(_link.Base, CallWire.Target);
        Apply(report);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>One run of its daemon.</summary>
    public string Instance { get; }

    /// <summary>Where it is, with commas.</summary>
    public string Addresses { get; }

    /// <summary>Its lease has not ended.</summary>
    public bool IsAlive { get; set; } = true;

    /// <summary>It is to be called no more.</summary>
    public bool IsDraining { get; set; }

    /// <summary>It has refused a call because it stops; until it is heard of again.</summary>
    public bool IsRefusing { get; set; }

    /// <summary>The last try to reach it did not fail.</summary>
    public bool IsReachable { get; set; } = true;

    /// <summary>It is being probed; for whoever does so.</summary>
    public bool IsProbed { get; set; }

    /// <summary>When it was last heard of; a timestamp.</summary>
    public long HeardAt { get; set; }

    /// <summary>Calls of this gateway that are on it.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    /// <summary>Calls of this gateway that were sent to it, by what became of them.</summary>
    public FateCounts Tries { get; } = new();

    /// <summary>What it reported last.</summary>
    public NodeReport Report => _report;

    /// <summary>Takes a report in.</summary>
    public void Apply(NodeReport report)
    {
        _report = report;
        Volatile.Write(ref _others, Math.Max(0, report.Running - InFlight));
        Volatile.Write(ref _availableMiB, report.AvailableMiB);
        _full.Clear();
        var warm = report.Warm;
        foreach (var name in _warm.Keys)
            if (warm is null || !warm.ContainsKey(name.ToString())) _warm.TryRemove(name, out _);
        if (warm is null) return;
        foreach (var (text, count) in warm)
            if (FunctionName.TryParse(text, out var name)) _warm[name] = count;
    }

    /// <summary>Whether it has, as far as is known, a free warm instance of the function.</summary>
    public bool IsWarm(FunctionName function) => _warm.TryGetValue(function, out var free) && free > 0;

    /// <summary>Whether it has said, since its last report, that a call of the function would have to wait there.</summary>
    public bool IsFull(FunctionName function) => !_full.IsEmpty && _full.ContainsKey(function);

    /// <summary>As a policy sees it.</summary>
    public WorkerSnapshot Describe()
    {
        var report = _report;
        IReadOnlySet<string>? tags = null;
        if (report.Tags is { Count: > 0 } || !_ownTags.IsEmpty) tags = new HashSet<string>([.. report.Tags?.Keys ?? [], .. _ownTags.Names], StringComparer.Ordinal);
        var snapshot = new WorkerSnapshot(Name)
        {
            Memory = report.MemoryMiB > 0 ? new WorkerMemory(Volatile.Read(ref _availableMiB) << 20, report.MemoryMiB << 20) : null,
            Running = Volatile.Read(ref _others) + InFlight,
            Cores = Math.Max(1, report.Processors),
        };
        return tags is null ? snapshot : snapshot with { RunningTags = tags };
    }

    /// <summary>Sends a call. Never throws.</summary>
    /// <param name="invocation">The call.</param>
    /// <param name="version">Which version; of the function's specification, the tag counts.</param>
    /// <param name="code">The same in the store's numbers.</param>
    /// <param name="left">What remains of the caller's own limit.</param>
    /// <param name="cancellationToken">The caller has left, or the limit has passed.</param>
    public async ValueTask<CallAttempt> CallAsync(Invocation invocation, FunctionSpec version, CodeVersion code, TimeSpan? left, CancellationToken cancellationToken)
    {
        var isKept = CallRules.IsKept(invocation, _typical.TryGetValue(invocation.Function, out var typical) ? typical : null);
        var request = CallWire.Write(_target, invocation, code, left, isKept);
        var content = request.Content as InvocationContent;
        Begin(invocation.Function, version.Tag);
        var isOpen = true;
        HttpResponseMessage? response = null;
        try
        {
            response = await _link.SendAsync(request, cancellationToken).ConfigureAwait(false);
            var headers = response.Headers.NonValidated;
            Learn(invocation.Function, headers);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                var reason = ReplyWire.One(headers, NodeHeaders.Refused);
                var words = await ReplyWire.TextAsync(await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
                response.Dispose();
                await CloseAsync(request.Content).ConfigureAwait(false);
                // What it was sent without waiting says only that no instance is free.
                if (reason == NodeHeaders.RefusedBusy && invocation.Wait == CallWait.ForStart) _full[invocation.Function] = true;
                return new CallAttempt(CallFate.Refused, null, reason, words.Length > 0 ? words : $"status {(int)response.StatusCode}");
            }
            isOpen = false; // the reply ends it
            Action ended = () => End(version.Tag);
            var reply = request.Content is TunnelContent callersSide
                ? await RemoteTunnel.ReadAsync(response, callersSide, Name, ended, cancellationToken).ConfigureAwait(false)
                : await ReplyWire.ReadAsync(response, content?.CloseAsync(), Name, ended, cancellationToken).ConfigureAwait(false);
            return new CallAttempt(CallFate.Ended, reply, "", "");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            response?.Dispose();
            if (!isOpen) End(version.Tag);
            await CloseAsync(request.Content).ConfigureAwait(false);
            return new CallAttempt(CallFate.Cancelled, null, "", "");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or InvalidDataException or OperationCanceledException or ObjectDisposedException)
        {
            response?.Dispose();
            if (!isOpen) End(version.Tag);
            await CloseAsync(request.Content).ConfigureAwait(false);
            if (content?.Fault is { } fault) return new CallAttempt(CallFate.Ended, Reply.Failure(fault is BodyTooLargeException ? Outcome.TooLarge : Outcome.BadRequest, fault.Message), "", "");
            return new CallAttempt(CallRules.FateOf(e), null, "", (e.InnerException ?? e).Message)
            {
                IsBodySpent = content?.IsSpent ?? false,
                HasNotBegun = content is { HasStarted: false } && (isKept || invocation.BodyStream is not null),
            };
        }
        finally
        {
            if (isOpen) End(version.Tag);
        }
    }

    /// <summary>Asks it something else.</summary>
    public NodeLink Link => _link;

    /// <summary>It is among the workers no more: its connection ends when nothing is on it.</summary>
    public void Retire()
    {
        Volatile.Write(ref _isRetired, 1);
        if (InFlight == 0) Dispose();
    }

    /// <inheritdoc/>
    public void Dispose() => _link.Dispose();

    private void Begin(FunctionName function, string? tag)
    {
        Interlocked.Increment(ref _inFlight);
        // Another call will not find that instance free.
        if (_warm.TryGetValue(function, out var free) && free > 0) _warm.TryUpdate(function, free - 1, free);
        _ownTags.Begin(tag);
    }

    private void End(string? tag)
    {
        _ownTags.End(tag);
        if (Interlocked.Decrement(ref _inFlight) == 0 && Volatile.Read(ref _isRetired) == 1) Dispose();
    }

    private void Learn(FunctionName function, HttpHeadersNonValidated headers)
    {
        if (ReplyWire.One(headers, NodeHeaders.Load).Split(' ') is not [var running, var warm, var available, .. var further]
            || !int.TryParse(running, NumberStyles.None, CultureInfo.InvariantCulture, out var calls) || !int.TryParse(warm, NumberStyles.None, CultureInfo.InvariantCulture, out var free)
            || !long.TryParse(available, NumberStyles.None, CultureInfo.InvariantCulture, out var memory)) return;
        // This call is over there, and still counted here.
        Volatile.Write(ref _others, Math.Max(0, calls - Math.Max(0, InFlight - 1)));
        Volatile.Write(ref _availableMiB, memory);
        _warm[function] = free;
        if (free > 0) _full.TryRemove(function, out _);
        if (further is [{ } typical, ..] && int.TryParse(typical, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds)) _typical[function] = TimeSpan.FromMilliseconds(milliseconds);
    }

    private static async Task CloseAsync(HttpContent? content)
    {
        if (content is InvocationContent body) await body.CloseAsync().ConfigureAwait(false);
        (content as TunnelContent)?.End();
    }
}
