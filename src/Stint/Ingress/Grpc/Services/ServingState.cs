namespace Stint.Ingress.Grpc.Services;

/// <summary>
/// Whether the daemon takes calls, for those who ask and those who watch.
/// <code>
/// not serving ──Set(true)──▶ serving ──Stop()──▶ not serving, for good
/// </code>
/// </summary>
internal sealed class ServingState : IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stopping = new();
    private TaskCompletionSource _change = NewChange();
    private bool _isServing;

    /// <summary>Fires when the daemon stops: after that nothing changes any more.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>The state, and what ends when it is no longer this one.</summary>
    public (bool IsServing, Task Change) Now
    {
        get
        {
            lock (_lock) return (_isServing, _change.Task);
        }
    }

    /// <summary>Says whether calls are taken.</summary>
    public void Set(bool isServing)
    {
        TaskCompletionSource ended;
        lock (_lock)
        {
            if (_isServing == isServing || _stopping.IsCancellationRequested) return;
            _isServing = isServing;
            (ended, _change) = (_change, NewChange());
        }
        ended.SetResult();
    }

    /// <summary>No more calls, ever.</summary>
    public void Stop()
    {
        Set(isServing: false);
        _stopping.Cancel();
    }

    /// <inheritdoc/>
    public void Dispose() => _stopping.Dispose();

    private static TaskCompletionSource NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
