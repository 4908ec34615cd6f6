using System.Security.Cryptography;
using Stint.Cluster.Cache;
using Stint.Cluster.Identity;
using Stint.Cluster.Joining;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.Pools;

namespace Stint.Hosting;

/// <summary><c>stint worker</c>: a machine that runs what gateways send. It joins, keeps a cache of code, reports, and answers calls.</summary>
internal sealed partial class WorkerNode : IAsyncDisposable
{
    private static readonly TimeSpan JoinPause = TimeSpan.FromSeconds(1);

    private readonly Platform _platform;
    private readonly IServiceProvider _services;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly Joiner _joiner;
    private readonly Action<string> _removed;
    private NodeCredentials? _credentials;
    private CoreLinks? _cores;
    private CodeCache? _cache;
    private WorkerCalls? _calls;
    private NodeEndpoint? _endpoint;
    private WorkerPresence? _presence;

    /// <summary>Nothing is connected yet.</summary>
    /// <param name="platform">What runs functions.</param>
    /// <param name="services">Kestrel's.</param>
    /// <param name="loggers">Logs.</param>
    /// <param name="removed">Called when the cluster has removed this machine, with why.</param>
    public WorkerNode(Platform platform, IServiceProvider services, ILoggerFactory loggers, Action<string> removed)
    {
        (_platform, _services, _loggers, _logger, _removed) = (platform, services, loggers, loggers.CreateLogger<WorkerNode>(), removed);
        Name = platform.Options.NodeName ?? NodeName.Of(Environment.MachineName);
        _joiner = new Joiner(Path.Combine(platform.Options.State, "node"), Name);
    }

    /// <summary>This machine's name.</summary>
    public string Name { get; }

    /// <summary>The port that gateways call.</summary>
    public int Port => _endpoint!.Port;

    /// <summary>Why it is not among the workers; null when it is.</summary>
    public string? Problem => _presence?.Problem;

    private DaemonOptions Options => _platform.Options;

    /// <summary>Joins, or finds the certificate of an earlier start, and makes the cache. Before the registry starts. Gateways that do not answer are asked again until one does.</summary>
    /// <exception cref="IOException">It cannot join; the message says why and what to do.</exception>
    public async Task JoinAsync(CancellationToken cancellationToken)
    {
        _credentials = new NodeCredentials(await IdentifyAsync(cancellationToken).ConfigureAwait(false));
        _cores = new CoreLinks(Options.Core, _credentials);
        _cache = new CodeCache(new CodeCacheParts(_platform.Registry, _platform.Secrets, new CodeSupply(_cores), _platform.RolledOutAsync, _platform.RenewInstancesAsync), Options.State, Options.CodeCacheMiB * 1024L * 1024L, TimeProvider.System, _loggers.CreateLogger<CodeCache>());
    }

    /// <summary>Begins to take calls; after the registry has settled. Returns when a gateway knows of this machine.</summary>
    /// <exception cref="IOException">An address cannot be bound.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _calls = new WorkerCalls(new WorkerCallParts(_cache!, _platform.Router.InvokeAsync, name => _platform.Router.Find(name)?.Count(InstanceState.Idle) ?? 0, () => _platform.LastReport.AvailableMiB, name => _platform.Router.Find(name)?.TypicalRun), TimeProvider.System, _loggers.CreateLogger<WorkerCalls>());
        _endpoint = new NodeEndpoint(Options.NodeListen, Options.NodePort, _credentials!, NodeRole.Gateway, new Dictionary<string, NodeHandler>(_calls.Handlers), _services, _loggers);
        await _endpoint.StartAsync(cancellationToken).ConfigureAwait(false);
        _presence = new WorkerPresence(new WorkerPresenceParts(_cores!, _credentials!, _joiner, _calls, _cache!, Advertised(), Port, Options.Labels, _platform.Report, _removed), TimeProvider.System, _loggers.CreateLogger<WorkerPresence>());
        await _presence.Known.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes no new calls, and says so to the cluster.</summary>
    public Task LeaveAsync() => _presence?.LeaveAsync() ?? Task.CompletedTask;

    /// <summary>Waits for running calls until the token fires.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _endpoint?.StopAsync(cancellationToken) ?? Task.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_presence is not null) await _presence.DisposeAsync().ConfigureAwait(false);
        if (_endpoint is not null) await _endpoint.DisposeAsync().ConfigureAwait(false);
        if (_cache is not null) await _cache.DisposeAsync().ConfigureAwait(false);
        _cores?.Dispose();
        _credentials?.Dispose();
    }

    private string? Advertised() => Options.NodeAddress is { } address ? string.Join(',', address.Split(',').Select(text => NodeAddress.TryParse(text, out var parsed) && !text.Contains(':', StringComparison.Ordinal) ? $"{parsed.Host}:{Port}" : text.Trim())) : null;

    private async Task<NodeIdentity> IdentifyAsync(CancellationToken cancellationToken)
    {
        NodeIdentity? present;
        try
        {
            present = _joiner.Present(TimeProvider.System.GetUtcNow());
        }
        catch (Exception e) when (e is CryptographicException or FileNotFoundException)
        {
            throw new IOException($"the certificate of this machine in {Options.State}/node cannot be used: {e.Message}; remove the folder and join again with a token", e);
        }
        var token = ReadToken();
        if (present is not null && (token is null || HasJoinedWith(token))) return present;
        present?.Dispose();
        if (token is null) throw new IOException("this machine is none of the cluster yet, or its certificate has expired, is a gateway's, or is of another name: give a join token with --token (on a gateway: stint cluster token)");
        string? said = null;
        while (true)
        {
            foreach (var core in Options.Core)
            {
                string problem;
                try
                {
                    using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                    limit.CancelAfter(TimeSpan.FromSeconds(30));
                    var identity = await _joiner.JoinAsync(core, token, limit.Token).ConfigureAwait(false);
                    await File.WriteAllTextAsync(TokenMark, token.Id, cancellationToken).ConfigureAwait(false);
                    LogJoined(Name, core.Host, core.Port);
                    return identity;
                }
                catch (NodeRefusedException e) when (e.Status is >= 400 and < 500)
                {
                    throw new IOException($"this machine cannot join the cluster of {core.Host}:{core.Port}: {e.Message}", e);
                }
                catch (CryptographicException e)
                {
                    throw new IOException($"this machine cannot join the cluster: {e.Message}", e);
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is HttpRequestException or NodeRefusedException or NodeProtocolException or OperationCanceledException)
                {
                    problem = $"{core.Host}:{core.Port}: {(e.InnerException ?? e).Message}";
                }
                if (problem != said) LogWaiting(said = problem);
            }
            await Task.Delay(JoinPause, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
    }

    // Which token the certificate was got with: a unit file that still names it does not make the machine join at each start, and another token does.
    private string TokenMark => Path.Combine(Options.State, "node", "token-id");

    private bool HasJoinedWith(JoinToken token) => !File.Exists(TokenMark) || File.ReadAllText(TokenMark).Trim() == token.Id;

    private JoinToken? ReadToken()
    {
        if (Options.JoinToken is not { Length: > 0 } given) return null;
        if (JoinToken.TryParse(given, out var token)) return token;
        if (!File.Exists(given)) throw new IOException("--token is neither a join token (stint-join-1.…) nor the path of a file that holds one");
        return JoinToken.TryParse(File.ReadAllText(given), out token) ? token : throw new IOException($"the file {given} holds no join token; make one with: stint cluster token");
    }

    [LoggerMessage(2773, LogLevel.Information, "{Name} has joined the cluster of {Host}:{Port}")]
    private partial void LogJoined(string name, string host, int port);

    [LoggerMessage(2774, LogLevel.Warning, "Waiting for a gateway: {Problem}")]
    private partial void LogWaiting(string problem);
}
