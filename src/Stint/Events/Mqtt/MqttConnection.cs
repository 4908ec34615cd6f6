// One connection to a broker for as long as a function wants it, on a thread of its own, because the library's calls block:
//
//   connect ─▶ subscribe what is wanted ─▶ ┌─ read what has come, as a batch
//      ▲                                   │  hand the batch over; wait until it is on disk
//      │ back-off with jitter, for ever    │  write: acknowledgements, publications, subscriptions
//      └──────────── anything fails ───────┴─ and again
//
// Nothing is written between reading a batch and its being on disk, so nothing is acknowledged too early; and nothing is read, so that a broker that is faster than our disk waits (MQTT's
// receive maximum, then TCP). A batch that cannot be taken over is not acknowledged: the connection is closed, and the broker sends it again after the next connect.
using System.Collections.Concurrent;
using static Stint.Events.Mqtt.Libmosquitto;

namespace Stint.Events.Mqtt;

/// <summary>Takes messages over: null when all that matter are on disk, else why they are not.</summary>
internal delegate Task<string?> MqttReceiver(IReadOnlyList<MqttMessage> batch, CancellationToken stop);

/// <summary>How a connection does.</summary>
/// <param name="IsIn">The broker has let us in.</param>
/// <param name="Problem">Why it has not, or has no more; null when it has, or nothing has been tried yet.</param>
/// <param name="Refused">Subscriptions that the broker refuses.</param>
internal sealed record MqttState(bool IsIn, string? Problem, IReadOnlyCollection<string> Refused);

/// <summary>A connection to a broker that is made again whenever it is lost.</summary>
internal sealed partial class MqttConnection : IAsyncDisposable
{
    /// <summary>Messages of QoS 1 that a broker may have under way to us, and so the most that one commit takes. Arbitrary: enough for a commit to be shared, little enough to be sent again.</summary>
    public const int ReceiveMaximum = 256;

    private const int MaxBatchBytes = 4 * 1024 * 1024;
    private const int MaxInFlight = 64;
    private const int PollMilliseconds = 1000, HandshakeMilliseconds = 20;
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(20), FirstPause = TimeSpan.FromMilliseconds(250), LongestPause = TimeSpan.FromSeconds(30);

    private readonly Func<MosquittoSettings> _settings;
    private readonly MqttReceiver _receive;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _where;
    private readonly WakeUp _wake = new();
    private readonly ConcurrentQueue<Outgoing> _outgoing = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<string> _everAsked = new(StringComparer.Ordinal);
    private volatile IReadOnlyDictionary<string, MqttSubscription> _wanted = new Dictionary<string, MqttSubscription>();
    private volatile MqttState _state = new(false, null, []);
    private volatile bool _forget;
    private long _received, _batches, _connects;

    /// <summary>Begins to connect.</summary>
    /// <param name="where">The broker, for people.</param>
    /// <param name="settings">What to connect with, asked for each time. An <see cref="IOException"/> says why it is not to be had now.</param>
    /// <param name="receive">Takes messages over.</param>
    /// <param name="time">Measures.</param>
    /// <param name="logger">The daemon's log.</param>
    public MqttConnection(string where, Func<MosquittoSettings> settings, MqttReceiver receive, TimeProvider time, ILogger logger)
    {
        (_where, _settings, _receive, _time, _logger) = (where, settings, receive, time, logger);
        new Thread(Run) { IsBackground = true, Name = "mqtt" }.Start();
    }

    /// <summary>How it does.</summary>
    public MqttState State => _state;

    /// <summary>Messages that came.</summary>
    public long Received => Volatile.Read(ref _received);

    /// <summary>Batches in which they were taken over.</summary>
    public long Batches => Volatile.Read(ref _batches);

    /// <summary>Times that the broker let us in.</summary>
    public long Connects => Volatile.Read(ref _connects);

    /// <summary>Sets what is subscribed to from now on, by filter.</summary>
    public void Want(IReadOnlyDictionary<string, MqttSubscription> subscriptions)
    {
        _wanted = subscriptions;
        _wake.Set();
    }

    /// <summary>Publishes a message; ends when the broker has acknowledged it (QoS 1) or it is sent (QoS 0).</summary>
    /// <param name="publication">The message.</param>
    /// <param name="limit">How long to wait for the broker.</param>
    /// <param name="cancellationToken">Nobody waits any more.</param>
    public async Task<PublishResult> PublishAsync(MqttPublication publication, TimeSpan limit, CancellationToken cancellationToken)
    {
        var outgoing = new Outgoing(publication);
        _outgoing.Enqueue(outgoing);
        if (_stop.IsCancellationRequested) return new PublishResult("the connection is being closed");
        _wake.Set();
        try
        {
            return await outgoing.End.Task.WaitAsync(limit, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return new PublishResult($"{_where} did not take it within {limit.TotalSeconds:0} s: {_state.Problem ?? "no acknowledgement"}");
        }
        finally
        {
            outgoing.End.TrySetCanceled(CancellationToken.None);
        }
    }

    /// <summary>The broker need not keep anything for us: nobody wants it any more.</summary>
    public void Forget() => _forget = true;

    /// <summary>Says goodbye and closes. What is being taken over is acknowledged first.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested) return;
        await _stop.CancelAsync().ConfigureAwait(false);
        _wake.Set();
        try
        {
            await _ended.Task.WaitAsync(TimeSpan.FromSeconds(5), _time).ConfigureAwait(false);
            _wake.Dispose();
            _stop.Dispose();
        }
        catch (TimeoutException)
        {
            // It hangs in the resolver or in connect(2), on a thread that keeps no process alive and ends with that call.
            StillConnecting(_logger, _where);
        }
    }

    private void Run()
    {
        var failures = 0;
        while (!_stop.IsCancellationRequested)
        {
            var session = new Session();
            try
            {
                Serve(session);
            }
            catch (Exception failure) when (failure is IOException or OperationCanceledException)
            {
                foreach (var outgoing in session.InFlight.Values) outgoing.End.TrySetResult(new PublishResult($"{_where}: {failure.Message}"));
                if (_stop.IsCancellationRequested) break;
                if (session.WasUseful) failures = 0;
                // The same again and again is said once.
                if (_state.Problem != failure.Message) Lost(_logger, _where, failure.Message);
                _state = new MqttState(false, failure.Message, []);
                Pause(failures++);
            }
        }
        while (_outgoing.TryDequeue(out var left)) left.End.TrySetResult(new PublishResult("the connection is being closed"));
        _state = new MqttState(false, "the connection is closed", []);
        _ended.SetResult();
    }

    // The first tries come quickly: a broker that is restarted is back in a moment. Jitter, so that not all clients come back in the same one.
    private void Pause(int failures)
    {
        var longest = TimeSpan.FromTicks(Math.Min(LongestPause.Ticks, FirstPause.Ticks << Math.Min(failures, 16)));
        var pause = longest * (0.5 + 0.5 * Random.Shared.NextDouble());
        var began = _time.GetTimestamp();
        while (!_stop.IsCancellationRequested && pause - _time.GetElapsedTime(began) is { Ticks: > 0 } left) _wake.Wait(-1, 0, (int)Math.Ceiling(left.TotalMilliseconds));
    }

    private void Serve(Session session)
    {
        var settings = _settings();
        using var client = new MosquittoClient(settings);
        client.Connect();
        var began = _time.GetTimestamp();
        while (!_stop.IsCancellationRequested)
        {
            if (client.IsIn) Work(client, session);
            else if (_time.GetElapsedTime(began) > AnswerLimit) throw new IOException($"the broker did not let us in within {AnswerLimit.TotalSeconds:0} s");
            // While TLS shakes hands its next step may need a read, which poll cannot know: looking often is simplest, and it is over soon.
            var isShaking = settings.Broker.Tls && !client.IsIn;
            var ready = _wake.Wait(client.Socket, (short)(PollIn | (client.WantsToWrite && !isShaking ? PollOut : 0)), isShaking ? HandshakeMilliseconds : PollMilliseconds);
            if ((ready & PollIn) != 0) Read(client, session);
            if (client.WantsToWrite) client.Write();
            EndPublications(client, session); // those of QoS 0 end when they are sent
            client.KeepAlive();
        }
        Leave(client);
    }

    private void Read(MosquittoClient client, Session session)
    {
        var wasIn = client.IsIn;
        long bytes = 0;
        var counted = 0;
        try
        {
            do
            {
                client.Read();
                for (; counted < client.Received.Count; counted++) bytes += client.Received[counted].Payload.Length;
            }
            while (counted < ReceiveMaximum && bytes < MaxBatchBytes && WakeUp.IsReadable(client.Socket));
        }
        finally
        {
            // Some brokers say why they refuse a message and hang up: the word came first.
            EndPublications(client, session);
        }
        if (!wasIn && client.IsIn) Enter(client, session);
        if (client.Received.Count > 0) Accept(client, session);
        foreach (var (id, granted) in client.Subscribed)
        {
            if (!session.Asked.Remove(id, out var filter)) continue;
            if (granted < 128) session.Refused.Remove(filter);
            else
            {
                session.Refused.Add(filter);
                SubscriptionRefused(_logger, _where, filter);
            }
            _state = new MqttState(true, null, [.. session.Refused]);
        }
        client.Subscribed.Clear();
    }

    private void EndPublications(MosquittoClient client, Session session)
    {
        foreach (var (id, reason) in client.Published)
            if (session.InFlight.Remove(id, out var outgoing)) outgoing.End.TrySetResult(ResultOf(reason));
        client.Published.Clear();
    }

    private void Enter(MosquittoClient client, Session session)
    {
        Interlocked.Increment(ref _connects);
        _state = new MqttState(true, null, []);
        Connected(_logger, _where, client.SessionPresent ? "the broker had kept our session" : "a new session");
        session.EnteredAt = _time.GetTimestamp();
        // What was subscribed to before the connection was lost and is not wanted any more is still in the broker's session.
        if (client.SessionPresent)
            foreach (var filter in _everAsked.Where(filter => !_wanted.ContainsKey(filter)).ToList()) client.Unsubscribe(filter);
    }

    private void Accept(MosquittoClient client, Session session)
    {
        var batch = client.Received.ToArray();
        client.Received.Clear();
        Interlocked.Add(ref _received, batch.Length);
        Interlocked.Increment(ref _batches);
        string? refusal;
        try
        {
            refusal = _receive(batch, _stop.Token).GetAwaiter().GetResult(); // this thread has nothing else to do
        }
        catch (Exception failure) when (failure is not (IOException or OperationCanceledException or OutOfMemoryException))
        {
            // A fault of ours must not cost a message: it comes again, and the log says why.
            ReceiverFailed(_logger, failure, _where);
            throw new IOException("messages could not be taken over; the daemon's log says why", failure);
        }
        if (refusal is not null) throw new IOException($"messages are left with the broker for now: {refusal}");
        session.WasUseful = true;
    }

    private void Work(MosquittoClient client, Session session)
    {
        if (!session.WasUseful && _time.GetElapsedTime(session.EnteredAt) > LongestPause) session.WasUseful = true;
        var wanted = _wanted;
        if (!ReferenceEquals(wanted, session.Wanted))
        {
            foreach (var filter in session.Subscriptions.Keys.Where(filter => !wanted.ContainsKey(filter)).ToList())
            {
                client.Unsubscribe(filter);
                session.Subscriptions.Remove(filter);
                session.Refused.Remove(filter);
                _everAsked.Remove(filter);
            }
            foreach (var subscription in wanted.Values.Where(subscription => session.Subscriptions.GetValueOrDefault(subscription.Filter) != subscription))
            {
                session.Asked[client.Subscribe(subscription)] = subscription.Filter;
                session.Subscriptions[subscription.Filter] = subscription;
                _everAsked.Add(subscription.Filter);
            }
            session.Wanted = wanted;
            _state = new MqttState(true, null, [.. session.Refused]);
        }
        while (session.InFlight.Count < MaxInFlight && _outgoing.TryDequeue(out var outgoing))
        {
            if (outgoing.End.Task.IsCompleted) continue; // nobody waits any more
            try
            {
                var id = client.Publish(outgoing.Publication, out var problem);
                if (problem is not null) outgoing.End.TrySetResult(new PublishResult(problem, IsFinal: true));
                else session.InFlight[id] = outgoing;
            }
            catch (IOException failure)
            {
                outgoing.End.TrySetResult(new PublishResult($"{_where}: {failure.Message}"));
                throw;
            }
        }
    }

    private void Leave(MosquittoClient client)
    {
        try
        {
            if (client.IsIn && _forget)
                foreach (var filter in _everAsked) client.Unsubscribe(filter);
            client.Disconnect(_forget);
            var began = _time.GetTimestamp();
            while (client.WantsToWrite && _time.GetElapsedTime(began) < TimeSpan.FromSeconds(2))
            {
                client.Write();
                _wake.Wait(client.Socket, PollOut, HandshakeMilliseconds);
            }
        }
        catch (IOException)
        {
            // The connection has ended, which is what was wanted.
        }
    }

    private PublishResult ResultOf(int reason)
    {
        if (reason < 128) return default;
        var problem = ReasonText(reason);
        // Topic name invalid, packet too large, payload format invalid (MQTT 5.0 section 3.4.2.1): no repetition changes it.
        return new PublishResult($"{_where} refuses it: {problem}", reason is 0x90 or 0x95 or 0x99);
    }

    private static unsafe string ReasonText(int reason) => Text(mosquitto_reason_string(reason)).TrimEnd('.');

    /// <summary>What belongs to one connect.</summary>
    private sealed class Session
    {
        public Dictionary<int, Outgoing> InFlight { get; } = [];
        public Dictionary<int, string> Asked { get; } = [];
        public Dictionary<string, MqttSubscription> Subscriptions { get; } = new(StringComparer.Ordinal);
        public HashSet<string> Refused { get; } = new(StringComparer.Ordinal);
        public IReadOnlyDictionary<string, MqttSubscription>? Wanted { get; set; }
        public long EnteredAt { get; set; }

        /// <summary>It did something, or lasted: the next back-off begins anew.</summary>
        public bool WasUseful { get; set; }
    }

    /// <summary>A publication on its way.</summary>
    private sealed record Outgoing(MqttPublication Publication)
    {
        public TaskCompletionSource<PublishResult> End { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    [LoggerMessage(700, LogLevel.Information, "{Broker} has let us in; {Session}")]
    private static partial void Connected(ILogger logger, string broker, string session);

    [LoggerMessage(701, LogLevel.Warning, "no connection to {Broker}: {Problem}. It is tried again for ever")]
    private static partial void Lost(ILogger logger, string broker, string problem);

    [LoggerMessage(702, LogLevel.Warning, "{Broker} refuses the subscription to {Filter}; its access rules say who may")]
    private static partial void SubscriptionRefused(ILogger logger, string broker, string filter);

    [LoggerMessage(703, LogLevel.Error, "messages of {Broker} could not be taken over")]
    private static partial void ReceiverFailed(ILogger logger, Exception failure, string broker);

    [LoggerMessage(704, LogLevel.Debug, "{Broker} is still being connected to; it is left alone")]
    private static partial void StillConnecting(ILogger logger, string broker);
}
