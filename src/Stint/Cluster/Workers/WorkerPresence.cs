using System.Security.Cryptography;
using Stint.Cluster.Cache;
using Stint.Cluster.Identity;
using Stint.Cluster.Joining;
using Stint.Cluster.Nodes;
using Stint.Cluster.Transport;

namespace Stint.Cluster.Workers;

/// <summary>What a worker's presence needs.</summary>
/// <param name="Cores">The gateways.</param>
/// <param name="Credentials">This machine.</param>
/// <param name="Joiner">Renews its certificate.</param>
/// <param name="Calls">Its calls.</param>
/// <param name="Cache">Its code.</param>
/// <param name="Addresses">Where gateways reach it; null = at the address that a gateway sees.</param>
/// <param name="Port">The port of its node endpoint.</param>
/// <param name="Labels">What the operator said of it.</param>
/// <param name="Report">Its load; must not throw.</param>
/// <param name="Removed">Called once when the cluster has removed this machine.</param>
internal sealed record WorkerPresenceParts(
    CoreLinks Cores, NodeCredentials Credentials, Joiner Joiner, WorkerCalls Calls, CodeCache Cache, string? Addresses, int Port, Dictionary<string, string> Labels, Func<NodeReport> Report, Action<string> Removed);

/// <summary>Keeps a worker among the cluster's: reports to a gateway every second, compares its cache now and then, renews its certificate.</summary>
internal sealed partial class WorkerPresence : IAsyncDisposable
{
    private static readonly TimeSpan CompareEvery = TimeSpan.FromSeconds(30);

    // A gateway that does not answer in this time is passed over: the next report is due, and a lease lasts five seconds.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly WorkerPresenceParts _parts;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _instance = RandomNumberGenerator.GetHexString(16, lowercase: true);
    private readonly long _started;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reporting;
    private readonly Task _keeping;
    private string? _problem;
    private bool _isLeaving;
    private bool _isDraining;
    private bool _hasAskedForRole;

    /// <summary>Begins.</summary>
    public WorkerPresence(WorkerPresenceParts parts, TimeProvider time, ILogger<WorkerPresence> logger)
    {
        (_parts, _time, _logger) = (parts, time, logger);
        _started = time.GetUtcNow().ToUnixTimeMilliseconds();
        _reporting = Task.Run(() => RunAsync(ReportAsync, NodeMembership.Every));
        _keeping = Task.Run(() => RunAsync(KeepAsync, CompareEvery));
    }

    /// <summary>Ends when a gateway knows of this worker.</summary>
    public Task Known => _first.Task;

    /// <summary>Why it is not among the workers, for the operator; null when it is.</summary>
    public string? Problem => Volatile.Read(ref _problem);

    /// <summary>Says that this worker stops: from then on it is called no more.</summary>
    public async Task LeaveAsync()
    {
        _isLeaving = true;
        _parts.Calls.Refusal = "this worker is stopping";
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_reporting, _keeping).ConfigureAwait(false);
        try
        {
            await AskAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (IsExpected(e))
        {
            // Its lease ends by itself.
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_isLeaving) await LeaveAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RunAsync(Func<CancellationToken, Task> work, TimeSpan every)
    {
        try
        {
            while (true)
            {
                try
                {
                    await work(_stop.Token).ConfigureAwait(false);
                }
                catch (Exception e) when (!_stop.IsCancellationRequested && IsExpected(e))
                {
                    Complain($"no gateway answers: {e.Message}");
                }
                await Task.Delay(every, _time, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (Exception) when (_stop.IsCancellationRequested)
        {
            // LeaveAsync asked for it.
        }
        catch (Exception e)
        {
            LogUnexpected(e);
            _parts.Removed($"this worker cannot go on: {e.Message}");
        }
    }

    private async Task ReportAsync(CancellationToken cancellationToken)
    {
        try
        {
            var answer = await AskAsync(cancellationToken).ConfigureAwait(false);
            _parts.Credentials.Revoked = answer.Revoked;
            if (answer.IsTaken)
            {
                Complain($"another machine of the cluster is called {_parts.Credentials.Identity.Name} and is alive: this one gets no calls; give it a name of its own with --name, and, if its state folder was copied from that machine, remove its folder 'node' and join again with a token");
                return;
            }
            // It is the gateways that send no calls; this is for its log.
            if (answer.IsDraining != _isDraining) LogDraining(answer.IsDraining ? "gets no new calls: it is being drained" : "gets calls again");
            _isDraining = answer.IsDraining;
            if (Interlocked.Exchange(ref _problem, null) is not null) LogBack(answer.Gateway);
            else if (!_first.Task.IsCompleted) LogKnown(answer.Gateway);
            _first.TrySetResult();
        }
        catch (NodeRefusedException e) when (e.Status == StatusCodes.Status403Forbidden)
        {
            _parts.Removed($"this machine is not, or no longer, one of the cluster: {e.Message}; to join again: stint worker --core URL --token TOKEN, with a new token of: stint cluster token");
        }
    }

    private Task<ReportAnswer> AskAsync(CancellationToken cancellationToken) => _parts.Cores.AskAsync(async (link, cancelled) =>
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancelled);
        limit.CancelAfter(Patience);
        // The first connection says from which address gateways see this machine.
        if (_parts.Addresses is null && link.LocalAddress is null) await NodeDialogue.PingAsync(link, limit.Token).ConfigureAwait(false);
        var report = new WorkerReport(_instance, _parts.Addresses ?? Seen(link), _parts.Labels, _parts.Report().ToJson(), _isLeaving, _started);
        return await NodeDialogue.AskAsync(link, WorkerPaths.Report, report, NodeMessages.Default.WorkerReport, NodeMessages.Default.ReportAnswer, limit.Token).ConfigureAwait(false);
    }, cancellationToken);

    private async Task KeepAsync(CancellationToken cancellationToken)
    {
        await _parts.Cache.CompareAsync(cancellationToken).ConfigureAwait(false);
        var identity = _parts.Credentials.Identity;
        // One from before there were roles is exchanged as soon as there is a gateway that knows of them; once, for a gateway that went back to an earlier program gives none.
        var lacksRole = identity.Role is null && !_hasAskedForRole && await _parts.Cores.AskAsync(static async (link, cancelled) =>
        {
            await NodeDialogue.PingAsync(link, cancelled).ConfigureAwait(false);
            return link.PeerRole is NodeRole.Gateway;
        }, cancellationToken).ConfigureAwait(false);
        if (!lacksRole && identity.Certificate.NotAfter.ToUniversalTime() - _time.GetUtcNow() > CertificateOffice.RenewBefore) return;
        var renewed = await _parts.Cores.AskAsync((link, cancelled) => _parts.Joiner.RenewAsync(link, identity, cancelled), cancellationToken).ConfigureAwait(false);
        _parts.Credentials.Renew(renewed);
        _hasAskedForRole = true;
        LogRenewed(renewed.Certificate.NotAfter.ToUniversalTime());
    }

    private string Seen(NodeLink link) => link.LocalAddress is { } address ? $"{(address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]" : address)}:{_parts.Port}" : "";

    private static bool IsExpected(Exception e) => e is HttpRequestException or NodeRefusedException or NodeProtocolException or OperationCanceledException or IOException or CryptographicException;

    private void Complain(string problem)
    {
        if (Interlocked.Exchange(ref _problem, problem) != problem) LogProblem(problem);
    }

    [LoggerMessage(2750, LogLevel.Information, "The gateway {Gateway} knows of this worker")]
    private partial void LogKnown(string gateway);

    [LoggerMessage(2751, LogLevel.Information, "The gateway {Gateway} knows of this worker again")]
    private partial void LogBack(string gateway);

    [LoggerMessage(2752, LogLevel.Warning, "{Problem}")]
    private partial void LogProblem(string problem);

    [LoggerMessage(2753, LogLevel.Information, "This machine's certificate was renewed, until {Until}")]
    private partial void LogRenewed(DateTime until);

    [LoggerMessage(2755, LogLevel.Information, "This worker {Change}")]
    private partial void LogDraining(string change);

    [LoggerMessage(2754, LogLevel.Error, "Reporting to the gateways failed unexpectedly")]
    private partial void LogUnexpected(Exception error);
}
