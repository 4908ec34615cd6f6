namespace Stint.Deliveries.Lanes;

/// <summary>Wakes the one that waits, or the next time it would wait.</summary>
internal sealed class WakeUp
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _waiting;
    private bool _rang;

    /// <summary>Somebody rang since the last wait.</summary>
    public bool Rang
    {
        get { lock (_lock) return _rang; }
    }

    /// <summary>Wakes.</summary>
    public void Ring()
    {
        lock (_lock)
        {
            _rang = true;
            _waiting?.TrySetResult();
        }
    }

    /// <summary>Until it rings, the time is over, or the token fires; it does not say which.</summary>
    /// <param name="limit">Null = no limit.</param>
    public async Task WaitAsync(TimeSpan? limit, TimeProvider time, CancellationToken cancellationToken)
    {
        Task rung;
        lock (_lock)
        {
            if (!_rang) _waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            rung = _rang ? Task.CompletedTask : _waiting!.Task;
        }
        if (!rung.IsCompleted)
        {
            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            // A timer holds 49 days; whoever is woken looks again.
            var wait = limit is not { } some ? Timeout.InfiniteTimeSpan : some <= TimeSpan.Zero ? TimeSpan.Zero : some > TimeSpan.FromDays(1) ? TimeSpan.FromDays(1) : TimeSpan.FromMilliseconds(Math.Ceiling(some.TotalMilliseconds));
            await Task.WhenAny(rung, Task.Delay(wait, time, over.Token)).ConfigureAwait(false);
            await over.CancelAsync().ConfigureAwait(false);
        }
        lock (_lock) (_rang, _waiting) = (false, null);
    }
}
