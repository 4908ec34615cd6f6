// Results on their way. A delivery is in the store before anybody is told that its call has ended, and leaves it when its kind says "delivered":
//
//   AddAsync ─▶ store ─▶ one lane for each target ─▶ IDeliveryKind ─┬▶ delivered: gone
//                            ▲                                      ├▶ try again: later, with back-off; the lane's others wait behind it
//                            └──────────────────────────────────────┘   give up, or too old: a dead letter; the next one's turn
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Stint.Deliveries.Lanes;
using Stint.Deliveries.Storage;
using Stint.Telemetry.Logs;

namespace Stint.Deliveries;

/// <summary>Delivers results, durably, in order for each target, for as long as it takes.</summary>
internal sealed partial class Outbox : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    // Another gateway's result may be for a sink that it has been told of and this one has not yet.
    private static readonly TimeSpan LeaveToOthers = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, IDeliveryKind> _kinds = new();
    private readonly ConcurrentDictionary<string, byte> _unknown = new();
    private readonly StoreSlot _slot;
    private readonly FunctionLogs _logs;
    private readonly TimeProvider _time;
    private readonly ILogger<Outbox> _logger;
    private readonly int _places;
    private LaneSet? _lanes;

    /// <param name="slot">Where deliveries are kept.</param>
    /// <param name="places">Deliveries that are tried at a time.</param>
    /// <param name="logs">Functions' logs: told what was not delivered.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The daemon's log.</param>
    public Outbox(StoreSlot slot, int places, FunctionLogs logs, TimeProvider time, ILogger<Outbox> logger) => (_slot, _places, _logs, _time, _logger) = (slot, places, logs, time, logger);

    /// <summary>What it has done.</summary>
    public DeliveryCounters Counters { get; } = new();

    /// <summary>Deliveries that are held by this daemon now.</summary>
    public int Running => _lanes?.Running ?? 0;

    /// <summary>Makes a kind known, before <see cref="BeginAsync"/>. Deliveries of a kind that nobody knows stay where they are.</summary>
    public void Register(IDeliveryKind kind) => _kinds[kind.Name] = kind;

    /// <summary>Begins to deliver, with what an earlier run left. Does nothing when there is no store.</summary>
    public async Task BeginAsync()
    {
        if (_slot.Store is not { } store) return;
        _lanes = new LaneSet(store, new LaneWork { Terms = static _ => new LaneTerms(IsOrdered: true, 1), TryAsync = TryAsync, Ended = Ended, Places = _places, Takes = Takes, LeaveToOthers = LeaveToOthers }, _time, _logger);
        await _lanes.BeginAsync().ConfigureAwait(false);
    }

    /// <summary>Takes deliveries over; they are on disk when the task ends.</summary>
    /// <returns>How many were taken: a function that has too many waiting loses the rest, which is counted and said in its log. All or none is lost to a store that fails.</returns>
    public async Task<int> AddAsync(IReadOnlyList<Delivery> deliveries)
    {
        if (deliveries.Count == 0) return 0;
        var entries = deliveries.Select(ToEntry).ToList();
        if (_slot.Store is not { } store)
        {
            Refused(entries, _slot.Problem ?? "");
            return 0;
        }
        try
        {
            var additions = await store.AddAsync(entries).ConfigureAwait(false);
            Added(entries, additions);
            return additions.Count(static addition => addition != Addition.TooMany);
        }
        catch (StoreException failure)
        {
            Refused(entries, failure.Message);
            return 0;
        }
    }

    /// <summary>Entries that were added to the store by others, together with a call's end: their lanes have something to do.</summary>
    public void Added(IReadOnlyList<Entry> entries, IReadOnlyList<Addition> additions)
    {
        for (var i = 0; i < additions.Count; i++)
        {
            if (additions[i] == Addition.TooMany) Refused([entries[i]], "too many deliveries of this function wait already");
            else _lanes?.Wake(KeyOf(entries[i]));
        }
    }

    /// <summary>Entries were brought back to life.</summary>
    public void Wake(LaneKey lane) => _lanes?.Wake(lane);

    /// <summary>Delivers nothing more; deliveries that are under way have until the token fires.</summary>
    public Task DrainAsync(CancellationToken deadline) => _lanes?.DrainAsync(deadline) ?? Task.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_lanes is { } lanes) await lanes.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>A delivery as the store has it.</summary>
    public Entry ToEntry(Delivery delivery)
    {
        var head = JsonSerializer.SerializeToUtf8Bytes(new DeliveryHead(delivery.Target, delivery.ContentType, delivery.Status, delivery.Took.TotalSeconds), HeadJson.Default.DeliveryHead);
        // Targets are long, and lanes are in three indexes: 96 bits of a hash stand for them.
        var lane = $"{delivery.Kind}:{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(delivery.Target)), 0, 12)}";
        var created = delivery.Created == default ? _time.GetUtcNow() : delivery.Created;
        return new Entry(delivery.Kind, lane, delivery.Function, delivery.Id, delivery.CallId, head, delivery.Body, null, delivery.Body.Length, KeepsId: false, created);
    }

    /// <summary>The delivery that an entry is; null when it cannot be read.</summary>
    public static Delivery? FromEntry(Entry entry, int attempts)
    {
        try
        {
            var head = JsonSerializer.Deserialize(entry.Head, HeadJson.Default.DeliveryHead)!;
            return new Delivery
            {
                Id = entry.Id, Kind = entry.Kind, Function = entry.Function, CallId = entry.CallId, Target = head.Target, ContentType = head.ContentType, Body = entry.Body,
                Status = head.Status, Took = TimeSpan.FromSeconds(head.TookSeconds), Attempts = attempts, Created = entry.Accepted,
            };
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private bool Takes(LaneKey lane)
    {
        if (lane.Kind == Entry.CallKind) return false;
        if (_kinds.ContainsKey(lane.Kind)) return true;
        if (_unknown.TryAdd(lane.Kind, 0)) NobodyKnows(_logger, lane.Kind);
        return false;
    }

    private static LaneKey KeyOf(Entry entry) => new(entry.Lane, entry.Kind, entry.Function);

    private async Task<Verdict> TryAsync(Claimed claimed, CancellationToken abandon)
    {
        var entry = claimed.Entry;
        if (!_kinds.TryGetValue(entry.Kind, out var kind)) return new Verdict(new Ending.Untried(), TimeSpan.FromHours(1));
        if (FromEntry(entry, claimed.Attempts) is not { } delivery) return new Verdict(new Ending.Dead(null, "it cannot be read", []));
        DeliveryResult result;
        try
        {
            result = await kind.DeliverAsync(delivery, abandon).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (abandon.IsCancellationRequested)
        {
            return new Verdict(new Ending.Untried());
        }
        catch (Exception failure) when (failure is IOException or InvalidOperationException or OperationCanceledException or HttpRequestException)
        {
            result = DeliveryResult.TryAgain(failure.Message);
        }
        var why = result.Why ?? "";
        switch (result.Ending)
        {
            case DeliveryEnding.Delivered:
                return new Verdict(new Ending.Done([]));
            case DeliveryEnding.TryAgain when kind.MaxAge is not { } limit || _time.GetUtcNow() - entry.Accepted < limit:
                var pause = RetryDelay.After(FirstPause, claimed.Attempts, Random.Shared.NextDouble(), result.RetryAfter);
                return new Verdict(new Ending.Later(_time.GetUtcNow() + pause, true, result.Status, why));
            case DeliveryEnding.TryAgain:
                return new Verdict(new Ending.Dead(result.Status, $"given up after {claimed.Attempts} tries: {why}", []));
            default:
                return new Verdict(new Ending.Dead(result.Status, why, []));
        }
    }

    private void Ended(Claimed claimed, Ending ending, IReadOnlyList<Addition> additions)
    {
        var entry = claimed.Entry;
        var counter = Counters.Of(entry.Kind);
        switch (ending)
        {
            case Ending.Done: counter.Done(); break;
            case Ending.Later: counter.Retried(); break;
            case Ending.Dead dead:
                counter.Died();
                _logs.Append(entry.Function, "", "system", $"{entry.Kind} of call {entry.CallId} was not delivered: {dead.Reason}; stint async ls --dead");
                break;
        }
    }

    private void Refused(IReadOnlyList<Entry> entries, string why)
    {
        foreach (var entry in entries)
        {
            Counters.Of(entry.Kind).Refused();
            _logs.Append(entry.Function, "", "system", $"{entry.Kind} of call {entry.CallId} is lost: {why}");
        }
    }

    [LoggerMessage(420, LogLevel.Warning, "there are deliveries of the kind '{Kind}', which this daemon does not know; they wait")]
    private static partial void NobodyKnows(ILogger logger, string kind);
}
