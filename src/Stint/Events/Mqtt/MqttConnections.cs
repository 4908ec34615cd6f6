using Stint.Functions.Secrets;

namespace Stint.Events.Mqtt;

/// <summary>What is wanted of one account.</summary>
/// <param name="Subscriptions">By filter; empty when it only publishes.</param>
/// <param name="Routes">Where its messages go.</param>
/// <param name="IsMine">This daemon is to receive them; else another one does, and this one only publishes.</param>
internal sealed record MqttWish(IReadOnlyDictionary<string, MqttSubscription> Subscriptions, RouteTable Routes, bool IsMine = true);

/// <summary>The connections to brokers: one for each account that some function uses. One that only publishes is made when it first does.</summary>
internal sealed partial class MqttConnections : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<MqttAccount, Line> _lines = [];
    private readonly HashSet<Task> _closing = [];
    private readonly string _daemon;
    private readonly int _maxPacket;
    private readonly SecretStore _secrets;
    private readonly Func<RouteTable, IReadOnlyList<MqttMessage>, TimeSpan, CancellationToken, Task<string?>> _receive;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly IEventShare? _share;
    private bool _stopped;
    private volatile bool _lacksLibrary;

    /// <param name="daemon">What tells this daemon from others.</param>
    /// <param name="maxBody">Longest body of a call, bytes.</param>
    /// <param name="secrets">Passwords.</param>
    /// <param name="receive">Takes messages over, by the routes of their account, within a time.</param>
    /// <param name="time">Measures.</param>
    /// <param name="logger">The daemon's log.</param>
    /// <param name="share">Other daemons receive for the same accounts in turn: what is received has one client id, whoever it is, and what is published another; null = there are none.</param>
    public MqttConnections(string daemon, long maxBody, SecretStore secrets, Func<RouteTable, IReadOnlyList<MqttMessage>, TimeSpan, CancellationToken, Task<string?>> receive, TimeProvider time, ILogger<MqttConnections> logger, IEventShare? share = null)
    {
        _share = share;
        // Topic and properties come on top of the body; MQTT's own limit is 256 MiB.
        (_daemon, _maxPacket, _secrets, _receive, _time, _logger) = (daemon, (int)Math.Min(maxBody + 128 * 1024, 268_435_455), secrets, receive, time, logger);
    }

    /// <summary>A connection was wanted, and this host has no library for it. False as long as nobody has wanted one: the library is not loaded only to know.</summary>
    public bool LacksLibrary => _lacksLibrary;

    /// <summary>All connections, with the account of each.</summary>
    public IReadOnlyList<(MqttAccount Account, MqttConnection Connection)> All
    {
        get
        {
            lock (_lock) return [.. _lines.SelectMany(static line => new[] { line.Value.Connection, line.Value.Publisher }.OfType<MqttConnection>().Select(connection => (line.Key, connection)))];
        }
    }

    /// <summary>Sets what is wanted from now on: makes connections, changes their subscriptions, closes those that nobody wants.</summary>
    public void Want(IReadOnlyDictionary<MqttAccount, MqttWish> wishes)
    {
        lock (_lock)
        {
            if (_stopped) return;
            foreach (var (account, line) in _lines.Where(line => !wishes.ContainsKey(line.Key)).ToList())
            {
                _lines.Remove(account);
                if (line.Connection is { } connection) Close_NeedsLock(connection, forget: true);
                if (line.Publisher is { } publisher) Close_NeedsLock(publisher, forget: true);
            }
            foreach (var (account, wish) in wishes)
            {
                if (!_lines.TryGetValue(account, out var line)) _lines[account] = line = new Line { Problem = Conflict_NeedsLock(account) };
                // Routes first: a message must find them.
                line.Routes = wish.Routes;
                line.IsMine = wish.IsMine;
                if (!wish.IsMine)
                {
                    // Not forgotten: the broker keeps what comes for whoever takes over.
                    if (line.Connection is { } lost) Close_NeedsLock(lost, forget: false);
                    line.Connection = null;
                    continue;
                }
                if (line.Connection is null && wish.Subscriptions.Count > 0) Open_NeedsLock(account, line);
                line.Connection?.Want(wish.Subscriptions);
            }
        }
    }

    /// <summary>How an account's connection does.</summary>
    public MqttState StateOf(MqttAccount account)
    {
        lock (_lock)
        {
            if (!_lines.TryGetValue(account, out var line)) return new MqttState(false, "nothing is deployed that uses it", []);
            if (!line.IsMine && line.Problem is null) return new MqttState(false, "another gateway receives it", []);
            return line.Problem is { } problem ? new MqttState(false, problem, []) : line.Connection?.State ?? new MqttState(false, null, []);
        }
    }

    /// <summary>Publishes a message over an account's connection.</summary>
    public async Task<PublishResult> PublishAsync(MqttAccount account, MqttPublication publication, TimeSpan limit, CancellationToken cancellationToken)
    {
        MqttConnection connection;
        lock (_lock)
        {
            if (_stopped || !_lines.TryGetValue(account, out var line)) return new PublishResult("the connection is being closed");
            if (_share is not null)
            {
                if (line.Publisher is null && line.Problem is null) OpenPublisher_NeedsLock(account, line);
                if (line.Publisher is null) return new PublishResult(line.Problem);
                connection = line.Publisher;
            }
            else
            {
                if (line.Connection is null && line.Problem is null) Open_NeedsLock(account, line);
                if (line.Connection is null) return new PublishResult(line.Problem);
                connection = line.Connection;
            }
        }
        return await connection.PublishAsync(publication, limit, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Closes all connections; brokers keep what comes meanwhile.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] closing;
        lock (_lock)
        {
            _stopped = true;
            foreach (var line in _lines.Values)
            {
                if (line.Connection is { } connection) Close_NeedsLock(connection, forget: false);
                if (line.Publisher is { } publisher) Close_NeedsLock(publisher, forget: false);
            }
            _lines.Clear();
            closing = [.. _closing];
        }
        await Task.WhenAll(closing).ConfigureAwait(false);
    }

    private void OpenPublisher_NeedsLock(MqttAccount account, Line line)
    {
        if (IsUsable_NeedsLock(account, line)) line.Publisher = new MqttConnection(account.Broker.Describe(), () => SettingsOf(account, account.PublisherId(_daemon)), static (_, _) => Task.FromResult<string?>(null), _time, _logger);
    }

    private bool IsUsable_NeedsLock(MqttAccount account, Line line)
    {
        if (line.Problem is not null) return false;
        if (Libmosquitto.Problem is not { } problem) return true;
        _lacksLibrary = true;
        line.Problem = problem;
        Unusable(_logger, account.Broker.Describe(), problem);
        return false;
    }

    private void Open_NeedsLock(MqttAccount account, Line line)
    {
        if (!IsUsable_NeedsLock(account, line)) return;
        line.Connection = new MqttConnection(account.Broker.Describe(), () => SettingsOf(account, account.ClientId(_share is null ? _daemon : $"cluster\n{_share.Identity}")), (batch, stop) => _receive(line.Routes, batch, account.Broker.KeepAlive / 2, stop), _time, _logger);
    }

    private void Close_NeedsLock(MqttConnection connection, bool forget)
    {
        if (forget) connection.Forget();
        _closing.RemoveWhere(static task => task.IsCompleted);
        _closing.Add(connection.DisposeAsync().AsTask());
    }

    // Two clients of one id put each other out of the broker, for ever.
    private string? Conflict_NeedsLock(MqttAccount account)
    {
        var id = account.ClientId(_daemon);
        var isTaken = _lines.Any(line => line.Key.Broker.Host == account.Broker.Host && line.Key.Broker.TcpPort == account.Broker.TcpPort && line.Key.ClientId(_daemon) == id);
        if (!isTaken) return null;
        var problem = $"the client id {id} is already used at {account.Broker.Describe()} with other settings; give all of them the same settings, or another `client-id` to this one";
        Unusable(_logger, account.Broker.Describe(), problem);
        return problem;
    }

    private MosquittoSettings SettingsOf(MqttAccount account, string clientId)
    {
        var password = account.Broker.Password?.Text;
        if (account.Broker.Password?.Secret is { } secret)
        {
            password = _secrets.ReadText(account.Module, secret)
                ?? throw new IOException($"the password is the secret {secret}, which does not exist in the module {account.Module}; make it, for instance: faas-cli secret create {secret}");
        }
        return new MosquittoSettings(account.Broker, clientId, password, MqttConnection.ReceiveMaximum, _maxPacket);
    }

    /// <summary>An account that is in use.</summary>
    private sealed class Line
    {
        /// <summary>Null until it is needed.</summary>
        public MqttConnection? Connection { get; set; }

        /// <summary>The connection that publishes where receiving is another daemon's turn, or may be; null until it is needed.</summary>
        public MqttConnection? Publisher { get; set; }

        /// <summary>This daemon receives.</summary>
        public bool IsMine { get; set; } = true;

        /// <summary>Where messages go; read by the connection's thread.</summary>
        public RouteTable Routes
        {
            get => Volatile.Read(ref field);
            set => Volatile.Write(ref field, value);
        } = RouteTable.Empty;

        /// <summary>Why there can be no connection.</summary>
        public string? Problem { get; set; }
    }

    [LoggerMessage(710, LogLevel.Error, "events and sinks at {Broker} do not work: {Problem}")]
    private static partial void Unusable(ILogger logger, string broker, string problem);
}
