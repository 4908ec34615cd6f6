using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Spawning;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends.Processes.Sandboxing;

/// <summary>A process of this host with a control group and a user number of its own, as far as the host has them: of a runtime or of a build.</summary>
/// <param name="host">What processes share.</param>
/// <param name="id">Names the control group.</param>
/// <param name="limits">Of the control group.</param>
/// <param name="network">What of the network it reaches.</param>
/// <param name="command">Makes the command when group, user and network are there.</param>
/// <param name="time">For waits.</param>
internal sealed class SandboxedProcess(ProcessHost host, string id, InstanceLimits limits, NetworkAccess network, Func<SandboxedProcess, SpawnRequest> command, TimeProvider time) : IRuntimeProcess
{
    // Processes leave their control group a moment after they were killed; two seconds is ample, and what is left then is reported.
    private const int RemovalAttempts = 400;
    private static readonly TimeSpan RemovalPause = TimeSpan.FromMilliseconds(5);

    // How long a runtime that was told to go (its connections closed) has for its own exit, before it is killed.
    private static readonly TimeSpan ExitGrace = TimeSpan.FromMilliseconds(200);

    private IControlGroup? _group;
    private InstanceLimits _limits = limits;
    private ChildProcess? _process;
    private bool _isStarted;

    /// <summary>The host's user number, when the daemon is root: one that was taken before, or taken when it is prepared. It goes back with the process.</summary>
    public int? User { get; set; }

    /// <summary>Its way to the world, when it has one of its own.</summary>
    public SandboxNetwork? Outbound { get; private set; }

    /// <summary>The files that make whoever writes its number into them a member of the control group.</summary>
    public IReadOnlyList<string> JoinFiles => _group?.JoinFiles ?? [];

    /// <summary>Whether the sandbox waits, complete but for its command, until <see cref="StartAsync"/>. Without a gate the command runs from <see cref="PrepareAsync"/> on.</summary>
    public bool HasGate { get; init; }

    /// <summary>Where it waits, from <see cref="PrepareAsync"/> on.</summary>
    public Gate? Gate { get; private set; }

    /// <inheritdoc/>
    public Task<ExitStatus> Exited => _process?.Exited ?? throw new InvalidOperationException("the process has not been started");

    /// <inheritdoc/>
    public TimeSpan NewsDelay { get; } = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        _group = host.Groups?.Create(id, _limits);
        User ??= host.TakeUser();
        if (network == NetworkAccess.Outbound && host.Sandbox is not null) Outbound = await host.Networks.TakeAsync(cancellationToken).ConfigureAwait(false);
        if (HasGate) Gate = new Gate();
        _process = await host.Spawner.StartAsync(command(this)).ConfigureAwait(false);
        // It would run without a network from here on, and for as long as its pool keeps it; another one gets another.
        if (Outbound?.Lost is { } lost) _ = lost.ContinueWith(_ => Kill(), TaskScheduler.Default);
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _isStarted = true;
        Gate?.Open();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public void BelongsTo(FunctionName function)
    {
        // Nobody sees a name of it.
    }

    /// <inheritdoc/>
    public ValueTask SetLimitsAsync(InstanceLimits limits, CancellationToken cancellationToken)
    {
        if (limits != _limits) _group?.SetLimits(limits);
        _limits = limits;
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public InstanceUsage ReadUsage() => _group?.ReadUsage() ?? default;

    /// <inheritdoc/>
    public ValueTask<bool> RanOutOfMemoryAsync() => new(_group?.RanOutOfMemory() == true);

    /// <inheritdoc/>
    public void Kill() => _process?.Signal(Posix.SigKill);

    /// <inheritdoc/>
    public async Task<string?> ReleaseAsync()
    {
        if (!_isStarted) Kill();
        if (_process is { } process && !await HasEndedAsync(process).ConfigureAwait(false)) Kill();
        var left = _group is { } group ? await EmptyAsync(group).ConfigureAwait(false) : null;
        Gate?.Dispose(); // when nobody is left behind it
        if (_process is { } killed) await killed.Exited.ConfigureAwait(false);
        if (Outbound is { } outbound) await outbound.DisposeAsync().ConfigureAwait(false);
        if (User is { } user) host.Users.Return(user);
        return left;
    }

    private async Task<bool> HasEndedAsync(ChildProcess process)
    {
        try
        {
            await process.Exited.WaitAsync(ExitGrace, time).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private async Task<string?> EmptyAsync(IControlGroup group)
    {
        for (var attempt = 0; attempt < RemovalAttempts; attempt++)
        {
            if (attempt > 0 || _process is null or { Exited.IsCompleted: true }) group.Kill();
            if (group.TryRemove()) return null;
            await Task.Delay(RemovalPause, time).ConfigureAwait(false);
        }
        return $"the control group of {id} could not be emptied";
    }
}
