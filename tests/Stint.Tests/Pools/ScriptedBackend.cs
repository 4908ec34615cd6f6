using Stint.Backends;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Tests.Pools;

/// <summary>
/// A backend whose starts, calls and deaths happen when the test says so. It checks the pool's side of the seam as it goes: never more calls in an instance than it allows, none after its
/// end, one for a single-use instance, each instance disposed of.
/// </summary>
internal sealed class ScriptedBackend : IBackend
{
    private int _ids;

    /// <summary>Starts succeed by themselves.</summary>
    public bool StartsAtOnce { get; set; } = true;

    /// <summary>Starts fail by themselves with this text.</summary>
    public string? FailsWith { get; set; }

    public List<PendingStart> Starts { get; } = [];

    public List<ScriptedInstance> Instances { get; } = [];

    /// <summary>What the pool did that it must not.</summary>
    public List<string> Faults { get; } = [];

    /// <summary>Starts that have not ended.</summary>
    public IEnumerable<PendingStart> Booting => Starts.Where(start => !start.Task.IsCompleted);

    /// <summary>Instances that have not been disposed of.</summary>
    public IEnumerable<ScriptedInstance> Alive => Instances.Where(instance => !instance.IsDisposed);

    /// <summary>Calls that run, oldest first.</summary>
    public IEnumerable<ScriptedCall> RunningCalls => Alive.SelectMany(instance => instance.Calls).OrderBy(call => call.Order);

    public Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        var start = new PendingStart(this, version, cancellationToken);
        Starts.Add(start);
        if (FailsWith is { } error) start.Fail(error);
        else if (StartsAtOnce) start.Succeed();
        return start.Task;
    }

    internal string NextId() => $"i{Interlocked.Increment(ref _ids)}";
}

/// <summary>A start that has been asked for.</summary>
internal sealed class PendingStart
{
    private readonly TaskCompletionSource<IInstance> _done = new();
    private readonly ScriptedBackend _backend;

    public PendingStart(ScriptedBackend backend, FunctionVersion version, CancellationToken cancellationToken)
    {
        (_backend, Version) = (backend, version);
        cancellationToken.UnsafeRegister(state => ((PendingStart)state!)._done.TrySetCanceled(cancellationToken), this);
    }

    public FunctionVersion Version { get; }

    public Task<IInstance> Task => _done.Task;

    /// <summary>The instance is ready.</summary>
    /// <param name="created">Sees the instance before the pool does.</param>
    public void Succeed(Action<ScriptedInstance>? created = null)
    {
        if (_done.Task.IsCompleted) return;
        var instance = new ScriptedInstance(_backend, Version, _backend.NextId());
        created?.Invoke(instance);
        _backend.Instances.Add(instance);
        _done.TrySetResult(instance);
    }

    public void Fail(string error) => _done.TrySetException(new InstanceStartException(error));
}

/// <summary>An instance whose calls end when the test says so.</summary>
internal sealed class ScriptedInstance(ScriptedBackend backend, FunctionVersion version, string id) : IInstance
{
    private static int s_order;
    private readonly TaskCompletionSource<string> _ended = new();
    private TaskCompletionSource? _thawed;

    public string Id => id;

    public FunctionVersion Version => version;

    public Task<string> Ended => _ended.Task;

    public List<ScriptedCall> Calls { get; } = [];

    /// <summary>Calls that it has been given in its life.</summary>
    public int Served { get; private set; }

    public bool IsDisposed { get; private set; }

    public ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        Served++;
        if (IsDisposed) backend.Faults.Add($"{id}: a call after disposal");
        if (Calls.Count >= version.Spec.ConcurrentRequests) backend.Faults.Add($"{id}: more calls than {version.Spec.ConcurrentRequests}");
        if (version.Spec.SingleUse && Served > 1) backend.Faults.Add($"{id}: a second call");
        var call = new ScriptedCall(this, invocation, s_order++);
        Calls.Add(call);
        cancellationToken.UnsafeRegister(static state => ((ScriptedCall)state!).Cancel(), call);
        return new ValueTask<Reply>(call.Reply);
    }

    public InstanceUsage ReadUsage() => new(1024, TimeSpan.FromSeconds(1));

    /// <summary>Probes that it has been sent.</summary>
    public int Probes { get; private set; }

    /// <summary>It does not answer probes.</summary>
    public bool IsFrozen => _thawed is not null;

    public async ValueTask<bool> ProbeAsync(CancellationToken cancellationToken)
    {
        Probes++;
        if (IsDisposed) backend.Faults.Add($"{id}: a probe after disposal");
        if (_thawed is not { } thawed) return true;
        await ((Task)Task.WhenAny(thawed.Task, _ended.Task)).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !cancellationToken.IsCancellationRequested;
    }

    /// <summary>It stops answering probes, or answers them again.</summary>
    public void Freeze(bool frozen)
    {
        var thawed = _thawed;
        _thawed = frozen ? _thawed ?? new TaskCompletionSource() : null;
        if (!frozen) thawed?.TrySetResult();
    }

    /// <summary>It dies: its calls end with <see cref="Outcome.Crashed"/>.</summary>
    public void Die(string reason)
    {
        // The order is the backend's choice, and the pool must bear both.
        if (id.Length % 2 == 0) _ended.TrySetResult(reason);
        foreach (var call in Calls.ToArray()) call.Crash(reason);
        _ended.TrySetResult(reason);
    }

    public ValueTask DisposeAsync()
    {
        if (IsDisposed) return default;
        IsDisposed = true;
        foreach (var call in Calls.ToArray()) call.Crash("killed");
        _ended.TrySetResult("disposed");
        return default;
    }
}

/// <summary>A call in an instance.</summary>
internal sealed class ScriptedCall(ScriptedInstance instance, Invocation invocation, int order)
{
    private readonly TaskCompletionSource<Reply> _reply = new();
    private TaskCompletionSource<bool>? _completion;

    public Invocation Invocation => invocation;

    public ScriptedInstance Instance => instance;

    public int Order => order;

    public Task<Reply> Reply => _reply.Task;

    /// <summary>The pool cancelled it, and it has been answered so.</summary>
    public bool IsCancelled { get; private set; }

    /// <summary>The function answers.</summary>
    public void Answer(int status = 200)
    {
        instance.Calls.Remove(this);
        if (_completion is { } completion) completion.TrySetResult(true);
        else _reply.TrySetResult(Stint.Invocations.Reply.Answer(status, [], default));
    }

    /// <summary>The function begins an answer that goes on until <see cref="Answer"/>.</summary>
    public void BeginStream()
    {
        _completion = new TaskCompletionSource<bool>();
        _reply.TrySetResult(Stint.Invocations.Reply.Answer(200, [], default, completion: _completion.Task));
    }

    /// <summary>The instance breaks its contract in this call.</summary>
    public void BreakContract()
    {
        instance.Calls.Remove(this);
        _reply.TrySetResult(Stint.Invocations.Reply.Failure(Outcome.ContractBroken, "it wrote garbage"));
    }

    public void Crash(string reason)
    {
        instance.Calls.Remove(this);
        if (_completion is { } completion) completion.TrySetResult(false);
        else _reply.TrySetResult(Stint.Invocations.Reply.Failure(Outcome.Crashed, $"the instance died: {reason}"));
    }

    public void Cancel()
    {
        IsCancelled = true;
        if (_completion is not null || !instance.Calls.Contains(this)) return;
        _completion = new TaskCompletionSource<bool>();
        _reply.TrySetResult(Stint.Invocations.Reply.Failure(Outcome.Cancelled, "cancelled", completion: _completion.Task));
    }
}
