using System.Runtime.CompilerServices;

namespace Stint.Watchdog.Loops;

/// <summary>
/// Something that one method waits for on a loop's thread: <c>await wakeup</c>. It may wake for no reason; who waits looks again. Set before anybody waits, it is remembered once.
/// </summary>
internal sealed class Wakeup(EventLoop loop) : ICriticalNotifyCompletion
{
    private Action? _waiter;
    private bool _set;

    /// <summary>Whether there is nothing to wait for; asking takes what was remembered.</summary>
    public bool IsCompleted
    {
        get
        {
            var set = _set;
            _set = false;
            return set;
        }
    }

    /// <summary>Itself: it is its own awaiter, so that waiting allocates nothing.</summary>
    public Wakeup GetAwaiter() => this;

    /// <summary>Nothing to return.</summary>
    public void GetResult()
    {
    }

    /// <inheritdoc/>
    public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

    /// <inheritdoc/>
    public void UnsafeOnCompleted(Action continuation) => _waiter = continuation;

    /// <summary>Wakes who waits, in the loop's next step rather than here: nobody's code runs inside somebody else's.</summary>
    public void Set()
    {
        if (_waiter is not { } waiter)
        {
            _set = true;
            return;
        }
        _waiter = null;
        loop.Run(waiter);
    }
}
