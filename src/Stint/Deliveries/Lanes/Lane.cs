// One lane's loop, alive while there is something in it:
//
//   room for another? ──▶ claim what is due ──▶ try each ──▶ say how it ended (durable)
//        ▲                    │ nothing
//        └── woken, or due ◀──┘
//
// What is in order is claimed a few at a time and tried one after another; the first that has to wait lets go of the rest.
using Stint.Deliveries.Storage;

namespace Stint.Deliveries.Lanes;

/// <summary>How a lane is to be worked on.</summary>
/// <param name="IsOrdered">One after another, in the order of addition.</param>
/// <param name="Concurrency">Otherwise: how many at a time.</param>
internal readonly record struct LaneTerms(bool IsOrdered, int Concurrency);

/// <summary>What came of a try.</summary>
/// <param name="Ending">For the store.</param>
/// <param name="Pause">Nothing else of the lane is worth trying before that.</param>
internal readonly record struct Verdict(Ending Ending, TimeSpan Pause = default);

/// <summary>Works on one lane.</summary>
internal sealed class Lane(LaneKey key, LaneSet set)
{
    /// <summary>Claimed at a time when in order.</summary>
    private const int OrderedClaim = 16;

    private static readonly TimeSpan StorePause = TimeSpan.FromSeconds(1);

    private readonly WakeUp _wake = new();
    private DateTimeOffset _pausedUntil;
    private int _running;

    /// <summary>Which.</summary>
    public LaneKey Key => key;

    /// <summary>Its loop.</summary>
    public Task Loop { get; set; } = Task.CompletedTask;

    /// <summary>Somebody wants it to look again.</summary>
    public bool IsWanted => _wake.Rang;

    /// <summary>There may be something to do.</summary>
    public void Wake() => _wake.Ring();

    /// <summary>Runs until the lane is empty or the token fires. Never faults.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var terms = set.Terms(key);
            var now = set.Time.GetUtcNow();
            var room = (terms.IsOrdered ? 1 : terms.Concurrency) - Volatile.Read(ref _running);
            if (room <= 0) await _wake.WaitAsync(null, set.Time, stop).ConfigureAwait(false);
            else if (now < _pausedUntil) await _wake.WaitAsync(_pausedUntil - now, set.Time, stop).ConfigureAwait(false);
            else if (!await TakeAsync(terms, room, stop).ConfigureAwait(false)) return;
        }
    }

    /// <summary>Claims and starts; waits when there is nothing. False when the lane has ended.</summary>
    private async Task<bool> TakeAsync(LaneTerms terms, int room, CancellationToken stop)
    {
        var places = 0;
        try
        {
            await set.Places.WaitAsync(stop).ConfigureAwait(false);
            for (places = 1; places < room && set.Places.Wait(0, CancellationToken.None);) places++;
            var claimed = await set.Store.ClaimAsync(key.Lane, terms.IsOrdered, terms.IsOrdered ? OrderedClaim : places, set.NewLease()).ConfigureAwait(false);
            if (claimed.Count > 0)
            {
                set.Hold(claimed);
                if (terms.IsOrdered) Start(() => WorkInOrderAsync(claimed), ref places);
                else
                    foreach (var one in claimed) Start(() => WorkAsync(one), ref places);
                return true;
            }
            set.Places.Release(places);
            places = 0;
            var due = await set.Store.NextDueAsync(key.Lane, terms.IsOrdered).ConfigureAwait(false);
            if (due is null && Volatile.Read(ref _running) == 0 && set.TryEnd(this)) return false;
            await _wake.WaitAsync(due - set.Time.GetUtcNow(), set.Time, stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // stopping
        }
        catch (Exception failure)
        {
            // Whatever it was: a lane that ended here would never be worked on again.
            set.Report(failure);
            _pausedUntil = set.Time.GetUtcNow() + StorePause;
        }
        finally
        {
            if (places > 0) set.Places.Release(places);
        }
        return true;
    }

    /// <summary>Starts one flow, which takes one of the places along.</summary>
    private void Start(Func<Task> work, ref int places)
    {
        places--;
        Interlocked.Increment(ref _running);
        set.Follow(Task.Run(async () =>
        {
            try
            {
                await work().ConfigureAwait(false);
            }
            finally
            {
                Interlocked.Decrement(ref _running);
                set.Places.Release();
                _wake.Ring();
            }
        }));
    }

    private async Task WorkAsync(Claimed claimed)
    {
        var verdict = await set.TryAsync(claimed).ConfigureAwait(false);
        Pause(verdict);
        await set.EndAsync(claimed, verdict.Ending).ConfigureAwait(false);
    }

    private async Task WorkInOrderAsync(IReadOnlyList<Claimed> claimed)
    {
        // What has been done is noted while the next is tried: noting it first would cost a flush of the disk between any two.
        var endings = new List<Task>();
        for (var i = 0; i < claimed.Count; i++)
        {
            if (set.IsStopping)
            {
                endings.AddRange(claimed.Skip(i).Select(rest => set.EndAsync(rest, new Ending.Untried())));
                break;
            }
            var verdict = await set.TryAsync(claimed[i]).ConfigureAwait(false);
            Pause(verdict);
            endings.Add(set.EndAsync(claimed[i], verdict.Ending));
            if (verdict.Ending is not Ending.Later) continue;
            endings.AddRange(claimed.Skip(i + 1).Select(rest => set.EndAsync(rest, new Ending.Untried())));
            break;
        }
        await Task.WhenAll(endings).ConfigureAwait(false);
    }

    private void Pause(Verdict verdict)
    {
        if (verdict.Pause <= TimeSpan.Zero) return;
        var until = set.Time.GetUtcNow() + verdict.Pause;
        if (until > _pausedUntil) _pausedUntil = until;
    }
}
