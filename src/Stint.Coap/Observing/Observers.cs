using System.Security.Cryptography;
using Stint.Coap.Blockwise;
using Stint.Coap.Exchanges;
using Stint.Coap.Messages;
using Stint.Coap.Transport;

namespace Stint.Coap.Observing;

/// <summary>
/// Who observes what (RFC 7641), and the runs that keep them informed. Observers of one representation form a group; the handler runs once for the group and
/// every member gets the answer under its own token:
/// <code>
///   interval or Changed(path) ─► run the handler ─► 2.xx: notify each member       NON, or CON when the member is new, not heard of for a while,
///                                                                                  or was told something less than 3 s ago
///                                                   else: tell them and let go     (§4.2)
///   reset, or a CON that nobody acknowledges ─► the member is let go               (§3.6, §4.5)
/// </code>
/// </summary>
internal sealed class Observers : IDeadlines
{
    /// <summary>The shortest interval, milliseconds. Arbitrary: ten notifications a second are a stream and not an observation.</summary>
    private const long ShortestInterval = 100;

    /// <summary>NON notifications to one peer come no closer than this, milliseconds (§4.5.1: one per round-trip time, 3 s when that is not known).</summary>
    private const long NonSpacing = 3000;

    private readonly CoapServerOptions _options;
    private readonly DeadlineClock _clock;
    private readonly OutgoingMessages _outgoing;
    private readonly MessageIds _ids;
    private readonly IDatagramSender _sender;
    private readonly AnswerComposer _composer;
    private readonly CoapCounters _counters;
    private readonly Func<CoapRequest, ValueTask<CoapResponse>> _run;
    private readonly Lock _gate = new();
    private readonly Dictionary<RequestKey, Group> _groups = [];
    private readonly Dictionary<(Peer Peer, CoapToken Token), Observer> _members = [];
    private readonly Dictionary<ExchangeKey, Observer> _byNonMessage = [];
    private readonly Dictionary<(ulong, ulong), int> _perSource = [];
    private readonly HashSet<Task> _runs = [];

    public Observers(
        CoapServerOptions options, DeadlineClock clock, OutgoingMessages outgoing, MessageIds ids, IDatagramSender sender, AnswerComposer composer,
        CoapCounters counters, Func<CoapRequest, ValueTask<CoapResponse>> run)
    {
        (_options, _clock, _outgoing, _ids, _sender, _composer, _counters, _run) = (options, clock, outgoing, ids, sender, composer, counters, run);
        clock.Add(this);
    }

    /// <summary>Observers.</summary>
    public int Count
    {
        get
        {
            lock (_gate) return _members.Count;
        }
    }

    /// <summary>Runs of handlers on behalf of observers, to wait for at the end.</summary>
    public Task[] Runs
    {
        get
        {
            lock (_gate) return [.. _runs];
        }
    }

    /// <summary>
    /// Adds an observer whose first answer is on its way, or renews it; returns that answer's sequence number, null when there is no room (the client then
    /// sees an answer without Observe, §4.1).
    /// </summary>
    public uint? Register(CoapRequest request, Observation observation, CoapResponse first)
    {
        var key = RequestKey.ForObserving(request);
        var now = _clock.Now;
        lock (_gate)
        {
            Remove_NeedsLock(request.Peer, request.Token);
            var source = (request.Peer.High, request.Peer.Low);
            var held = _perSource.GetValueOrDefault(source);
            if (_members.Count >= _options.MaxObservers || held >= _options.MaxObserversPerSource) return null;
            if (!_groups.TryGetValue(key, out var group)) _groups.Add(key, group = new Group(key, request.ForNotification()));
            group.Interval = observation.Interval is { } interval ? Math.Max(ShortestInterval, (long)interval.TotalMilliseconds) : null;
            group.Last = observation.NotifyUnchanged ? null : Digest(first);
            group.Due = Math.Min(group.Due, group.Interval is { } wait ? now + wait : DeadlineClock.Never);
            var member = new Observer(group, request.ForNotification()) { LastSent = now };
            group.Members.Add(member);
            _members.Add((request.Peer, request.Token), member);
            _perSource[source] = held + 1;
            _clock.Expect(group.Due);
            return group.NextSequence();
        }
    }

    /// <summary>The client no longer wants to hear (a GET with Observe 1, §3.6).</summary>
    public void Cancel(in Peer peer, CoapToken token)
    {
        lock (_gate) Remove_NeedsLock(peer, token);
    }

    /// <summary>A reset came in that may be the answer to a NON notification.</summary>
    public void Rejected(in Peer peer, ushort messageId)
    {
        lock (_gate)
        {
            if (_byNonMessage.TryGetValue(new ExchangeKey(peer, messageId), out var member)) Remove_NeedsLock(member);
        }
    }

    /// <summary>Has every observed resource that the predicate names run again now; returns how many.</summary>
    public int Changed(Func<CoapRequest, bool> concerns)
    {
        lock (_gate)
        {
            var concerned = _groups.Values.Where(group => concerns(group.Request)).ToArray();
            foreach (var group in concerned) Start_NeedsLock(group);
            return concerned.Length;
        }
    }

    /// <summary>Lets go of all observers; no run is started afterwards.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            foreach (var member in _members.Values.ToArray()) Remove_NeedsLock(member);
        }
    }

    /// <inheritdoc/>
    public long RunDue(long now)
    {
        lock (_gate)
        {
            var earliest = DeadlineClock.Never;
            foreach (var group in _groups.Values.ToArray())
            {
                if (group.Due <= now)
                {
                    // From the planned moment and not from now, so that the interval does not drift; but no run is made up for.
                    group.Due = Math.Max(group.Due + group.Interval ?? DeadlineClock.Never, now + 1);
                    Start_NeedsLock(group);
                }

                earliest = Math.Min(earliest, group.Due);
            }

            return earliest;
        }
    }

    // One run of a group at a time; what happens meanwhile leads to one more run, because its answer may be older than the event.
    private void Start_NeedsLock(Group group)
    {
        group.IsDirty = group.IsRunning;
        if (group.IsRunning) return;
        group.IsRunning = true;
        var run = Task.Run(() => RunAsync(group));
        _runs.Add(run);
        run.ContinueWith(
            done =>
            {
                lock (_gate) _runs.Remove(done);
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private async Task RunAsync(Group group)
    {
        // The delegate turns exceptions into responses.
        var response = await _run(group.Request);
        try
        {
            lock (_gate)
            {
                group.IsRunning = false;
                Notify_NeedsLock(group, response);
                if (group.IsDirty && group.Members.Count > 0) Start_NeedsLock(group);
            }
        }
        catch (Exception fault)
        {
            _options.OnFault?.Invoke("notifying observers", fault);
        }
    }

    private void Notify_NeedsLock(Group group, CoapResponse response)
    {
        if (group.Last is { } last)
        {
            group.Last = Digest(response);
            if (last.AsSpan().SequenceEqual(group.Last)) return;
        }

        // Fresh until the next one is due (§4.3.1), unless the function knows better.
        if (response is { MaxAge: null, Code.IsSuccess: true } && group.Interval is { } interval)
            response = response with { MaxAge = (uint)Math.Max(60, (interval / 1000) + 5) };
        var sequence = group.NextSequence();
        foreach (var member in group.Members.ToArray())
        {
            Send_NeedsLock(member, response, sequence);
            if (response.Code.IsSuccess) continue;
            member.UnderWay = null; // The last word goes on its way even though the observer is forgotten.
            Remove_NeedsLock(member);
        }
    }

    private static byte[] Digest(CoapResponse response)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData([response.Code.Value]);
        hash.AppendData(response.Payload.Span);
        return hash.GetHashAndReset();
    }

    private void Send_NeedsLock(Observer member, CoapResponse response, uint sequence)
    {
        var now = _clock.Now;
        var peer = member.Request.Peer;
        var isSuccess = response.Code.IsSuccess;
        var confirm = !isSuccess || !member.IsProven || now - member.LastSent < NonSpacing
            || now - member.LastConfirmed >= _options.ConfirmNotificationsEvery.TotalMilliseconds || member.UnderWay is not null;
        var type = confirm ? CoapMessageType.Confirmable : CoapMessageType.NonConfirmable;
        var id = _ids.Next(peer);
        Span<byte> buffer = stackalloc byte[AnswerComposer.BufferSize];
        var length = _composer.Compose(buffer, member.Request, response, new Envelope(type, id, Observe: isSuccess ? sequence : null));
        member.LastSent = now;
        if (!confirm)
        {
            if (member.LastNon is { } last) _byNonMessage.Remove(last);
            member.LastNon = new ExchangeKey(peer, id);
            _byNonMessage[member.LastNon.Value] = member;
            _sender.Send(peer, buffer[..length]);
        }
        else
        {
            var message = buffer[..length].ToArray();
            if (member.UnderWay is not { } current || !_outgoing.TryReplace(current, message))
                member.UnderWay = _outgoing.Send(peer, message, delivery => Delivered(member, delivery));
        }

        _counters.Count(CoapEvent.Notification);
    }

    private void Delivered(Observer member, Delivery delivery)
    {
        lock (_gate)
        {
            // A newer one may have been sent between the end of this one and its report.
            if (member.UnderWay is { IsOver: true }) member.UnderWay = null;
            if (delivery != Delivery.Acknowledged)
            {
                Remove_NeedsLock(member);
                return;
            }

            member.IsProven = true;
            member.LastConfirmed = _clock.Now;
        }
    }

    private void Remove_NeedsLock(in Peer peer, CoapToken token)
    {
        if (_members.TryGetValue((peer, token), out var member)) Remove_NeedsLock(member);
    }

    private void Remove_NeedsLock(Observer member)
    {
        if (!member.Group.Members.Remove(member)) return;
        if (member.UnderWay is { } underWay) _outgoing.Cancel(underWay);
        var peer = member.Request.Peer;
        _members.Remove((peer, member.Request.Token));
        if (member.LastNon is { } last) _byNonMessage.Remove(last);
        var source = (peer.High, peer.Low);
        if (--_perSource[source] == 0) _perSource.Remove(source);
        if (member.Group.Members.Count == 0) _groups.Remove(member.Group.Key);
    }

    /// <summary>Those who observe the same representation.</summary>
    private sealed class Group(RequestKey key, CoapRequest request)
    {
        private uint _sequence = 1;

        public RequestKey Key { get; } = key;

        public CoapRequest Request { get; } = request;

        public HashSet<Observer> Members { get; } = [];

        /// <summary>Stands for the answer before, where only changes are passed on; else null. The answer itself would be memory without a bound.</summary>
        public byte[]? Last { get; set; }

        public long? Interval { get; set; }

        public long Due { get; set; } = DeadlineClock.Never;

        public bool IsRunning { get; set; }

        public bool IsDirty { get; set; }

        /// <summary>24 bits that grow (§4.4); from 2 on, as 0 and 1 mean something else in requests and confuse readers of captures.</summary>
        public uint NextSequence() => _sequence = (_sequence + 1) & 0xff_ffff;
    }

    /// <summary>One who observes.</summary>
    private sealed class Observer(Group group, CoapRequest request)
    {
        public Group Group { get; } = group;

        public CoapRequest Request { get; } = request;

        /// <summary>Whether it has acknowledged a notification; until then every one is confirmable, so that a spoofed source hears little (§7).</summary>
        public bool IsProven { get; set; }

        public long LastSent { get; set; }

        public long LastConfirmed { get; set; }

        public ExchangeKey? LastNon { get; set; }

        public Outgoing? UnderWay { get; set; }
    }
}
