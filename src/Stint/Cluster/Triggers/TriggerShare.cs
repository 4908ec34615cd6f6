// Events are dealt into slots by a hash of their names; each slot is a lease. So however many events there are, the store is asked for a fixed number of leases.
//
//   alive gateways ──highest hash of gateway and slot──▶ who should have the slot ──LeaseHolder──▶ who has it ──▶ its events are that gateway's
//
// The hash only spreads the slots: the lease decides. A gateway that dies loses its slots to the others when its leases end; one that joins gets its part, and the others let go of it. A slot that nobody
// takes who should is taken by whoever notices. A gateway that has found that it has no MQTT client library says so in its report, and no slot is dealt to it while there are others.
using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Nodes;
using Stint.Cluster.Store;
using Stint.Events;

namespace Stint.Cluster.Triggers;

/// <summary>This gateway's part of the events.</summary>
internal sealed partial class TriggerShare : IEventShare, IAsyncDisposable
{
    /// <summary>Slots. Arbitrary: enough to spread over some tens of gateways.</summary>
    public const int Slots = 16;

    /// <summary>How long it takes until another takes over from a gateway that died.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(5);

    // How often to see who there is, and to see whether something was gained or lost, which asks nobody.
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(1), Tick = TimeSpan.FromMilliseconds(200);

    // So long nobody has had a slot until one takes it who should not, and so long that one keeps it at least.
    private static readonly TimeSpan OrphanAfter = TimeSpan.FromSeconds(10), KeepOrphan = TimeSpan.FromMinutes(1);

    // Rows of functions that are gone harm nobody.
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(10);

    private readonly ClusterStore _store;
    private readonly string _node;
    private readonly string _holder;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly LeaseHolder?[] _holders = new LeaseHolder?[Slots];
    private readonly long[] _seenAt = new long[Slots], _keptSince = new long[Slots];
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private Task _loop = Task.CompletedTask;
    private int _mine;
    private bool _isSilent;
    private long? _sweptAt;
    private string? _identity;

    /// <summary>Takes no part yet.</summary>
    /// <param name="store">The store; outlives this.</param>
    /// <param name="node">This gateway's name.</param>
    /// <param name="clock">Is set by the store's.</param>
    /// <param name="time">This machine's clock.</param>
    /// <param name="logger">Log.</param>
    public TriggerShare(ClusterStore store, string node, StoreClock clock, TimeProvider time, ILogger<TriggerShare> logger)
    {
        (_store, _node, Clock, _time, _logger) = (store, node, clock, time, logger);
        _holder = $"{node}/{RandomNumberGenerator.GetHexString(16, lowercase: true)}";
        Changed = static () => { };
    }

    /// <summary>The store's clock.</summary>
    public StoreClock Clock { get; }

    /// <inheritdoc/>
    public Action Changed { get; set; }

    /// <inheritdoc/>
    public string Identity => _identity ?? throw new IOException("the store has not answered yet");

    /// <summary>Slots that are this gateway's now.</summary>
    public int Count => Enumerable.Range(0, Slots).Count(IsMine);

    /// <summary>An event's slot.</summary>
    public static int SlotOf(string trigger) => (int)(BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(trigger))) % Slots);

    /// <summary>Who should have a slot: the same answer at every gateway that sees the same machines (D. Thaler, C. Ravishankar, "Using name-based mappings to increase hit rates", 1998).</summary>
    public static string? PreferredOf(int slot, IEnumerable<string> gateways) => gateways.MaxBy(name =>
        BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{slot}\n{name}")))));

    /// <inheritdoc/>
    public void Begin() => _loop = Task.Run(RunAsync);

    /// <inheritdoc/>
    public bool IsMine(string trigger) => IsMine(SlotOf(trigger));

    /// <inheritdoc/>
    public Task<DateTimeOffset> BeginAsync(string key, string function, DateTimeOffset first) => AskAsync(() => _store.Schedules.BeginAsync(key, function, first, _stop.Token));

    /// <inheritdoc/>
    public Task DoneAsync(string key, DateTimeOffset until, bool isCorrection) => AskAsync(() => _store.Schedules.DoneAsync(key, until, isCorrection, _stop.Token));

    /// <inheritdoc/>
    public async Task ForgetAsync(string key)
    {
        try
        {
            await AskAsync(() => _store.Schedules.ForgetAsync(key, _stop.Token)).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // A row too many: nothing reads it unless the same is deployed again.
        }
    }

    /// <summary>Gives everything back. What was this gateway's has been let go of when the others hear of it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested) return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        await Task.WhenAll(Enumerable.Range(0, Slots).Select(GiveBackAsync)).ConfigureAwait(false);
    }

    private bool IsMine(int slot)
    {
        LeaseHolder? holder;
        lock (_lock) holder = _holders[slot];
        return holder is not null && holder.TryGet(out _, out _);
    }

    private static string NameOf(int slot) => string.Create(CultureInfo.InvariantCulture, $"triggers/{slot}");

    private async Task RunAsync()
    {
        long? asked = null;
        try
        {
            Array.Fill(_seenAt, _time.GetTimestamp());
            while (true)
            {
                if (asked is not { } before || _time.GetElapsedTime(before) >= AskEvery)
                {
                    asked = _time.GetTimestamp();
                    await LookAsync().ConfigureAwait(false);
                }
                var mine = 0;
                for (var slot = 0; slot < Slots; slot++)
                    if (IsMine(slot)) mine |= 1 << slot;
                if (mine != _mine)
                {
                    _mine = mine;
                    Changed();
                }
                await Task.Delay(Tick, _time, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // DisposeAsync asked for it.
        }
        catch (Exception failure)
        {
            LogUnexpected(failure);
        }
    }

    private async Task LookAsync()
    {
        try
        {
            _identity ??= (await _store.PositionAsync(_stop.Token).ConfigureAwait(false)).Store;
            var asked = _time.GetUtcNow();
            var (seconds, all, lacking, held) = await _store.UseAsync(async connection => (await connection.RowsAsync(
                """
                select extract(epoch from clock_timestamp())::float8, array(select name from stint.node where is_gateway and not is_draining and alive_until >= clock_timestamp()),
                    array(select name from stint.node where is_gateway and report like $1), array(select name from stint.lease where name like 'triggers/%' and expires_at >= clock_timestamp())
                """, [Sql.Text($"%{NodeReport.LacksMqttJson}%")], static row => (row.GetDouble(0), row.GetFieldValue<string[]>(1), row.GetFieldValue<string[]>(2), row.GetFieldValue<string[]>(3)), _stop.Token).ConfigureAwait(false))[0],
                _stop.Token).ConfigureAwait(false);
            string[] able = [.. all.Except(lacking)], gateways = able.Length > 0 ? able : all;
            var ours = _time.GetUtcNow();
            Clock.Set(DateTimeOffset.UnixEpoch + TimeSpan.FromSeconds(seconds), asked + (ours - asked) / 2);
            for (var slot = 0; slot < Slots; slot++)
            {
                if (held.Contains(NameOf(slot))) _seenAt[slot] = _time.GetTimestamp();
                if (Wants(slot, gateways)) Hold(slot);
                else await GiveBackAsync(slot).ConfigureAwait(false);
            }
            _isSilent = false;
            if (_sweptAt is { } swept && _time.GetElapsedTime(swept) < SweepEvery) return;
            _sweptAt = _time.GetTimestamp();
            await _store.Schedules.SweepAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (StoreException failure)
        {
            // What is held counts itself out in time.
            if (!_isSilent) LogSilent(failure.Message);
            _isSilent = true;
        }
    }

    private bool Wants(int slot, string[] gateways)
    {
        if (PreferredOf(slot, gateways) == _node) return true;
        if (_keptSince[slot] != 0 && _time.GetElapsedTime(_keptSince[slot]) < KeepOrphan) return true;
        var isOrphan = _time.GetElapsedTime(_seenAt[slot]) >= OrphanAfter;
        _keptSince[slot] = isOrphan ? _time.GetTimestamp() : 0;
        return isOrphan;
    }

    private void Hold(int slot)
    {
        lock (_lock) _holders[slot] ??= new LeaseHolder(_store.Leases, NameOf(slot), _holder, Lease, _time, NullLogger.Instance);
    }

    private async Task GiveBackAsync(int slot)
    {
        LeaseHolder? holder;
        lock (_lock) (holder, _holders[slot]) = (_holders[slot], null);
        if (holder is null) return;
        // First let go of what it stands for, then of the lease.
        if (holder.TryGet(out _, out _))
        {
            _mine &= ~(1 << slot);
            Changed();
        }
        await holder.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task<T> AskAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (StoreException failure)
        {
            throw new IOException(failure.Message, failure);
        }
        catch (OperationCanceledException failure)
        {
            throw new IOException("the daemon is stopping", failure);
        }
    }

    [LoggerMessage(2730, LogLevel.Warning, "events are left to the other gateways, if there are any that reach the store: {Problem}")]
    private partial void LogSilent(string problem);

    [LoggerMessage(2731, LogLevel.Error, "Sharing events with other gateways failed unexpectedly: restart the daemon")]
    private partial void LogUnexpected(Exception failure);
}
