using System.Text;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Spawning;
using Stint.Invocations;

namespace Stint.Backends.Processes.Containers;

/// <summary>A runtime in a container. Prepared it is a container that was made and not started.</summary>
internal sealed class ContainerProcess : IRuntimeProcess
{
    // How long a runtime that was told to go (its connections closed) has for its own exit, before its container is killed.
    private static readonly TimeSpan ExitGrace = TimeSpan.FromMilliseconds(200);

    private readonly EngineHost _host;
    private readonly RuntimePlan _plan;
    private InstanceLimits _limits;
    private int? _user;
    private Task _rename = Task.CompletedTask;
    private bool _isStarted;
    private bool _isKilled;

    /// <summary>A runtime of that kind; nothing is made yet.</summary>
    public ContainerProcess(EngineHost host, RuntimePlan plan)
    {
        (_host, _plan, _limits) = (host, plan, plan.Limits);
        Container = new OwnedContainer(host, RuntimeContainer.Name(plan.Function, plan.Id), Pass);
    }

    // Released by ReleaseAsync, which is the end of a process.
    private OwnedContainer Container { get; }

    /// <inheritdoc/>
    public Task<ExitStatus> Exited => Container.Exited;

    /// <inheritdoc/>
    // The engine tells a process's end and the reason later than the kernel, and on a loaded machine much later.
    public TimeSpan NewsDelay { get; } = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        try
        {
            var engine = await _host.ReadyAsync(cancellationToken).ConfigureAwait(false);
            _user = _host.Users.Take();
            var hasInit = !string.IsNullOrEmpty(engine.InitBinary);
            try
            {
                await CreateAsync(hasInit, cancellationToken).ConfigureAwait(false);
            }
            catch (EngineException wiped) when (wiped.Fault is EngineFault.NoImage)
            {
                _host.Images.Forget(_plan.Key.Runtime);
                await CreateAsync(hasInit, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is EngineException or IOException)
        {
            throw Explained(failure);
        }
    }

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _isStarted = true;
        try
        {
            await Container.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException failure)
        {
            throw Explained(failure);
        }
    }

    /// <inheritdoc/>
    public void BelongsTo(FunctionName function)
    {
        // For people who look at 'docker ps': labels cannot be changed any more.
        if (_plan.Function is null) _rename = RenameAsync(function);
    }

    /// <inheritdoc/>
    public async ValueTask SetLimitsAsync(InstanceLimits limits, CancellationToken cancellationToken)
    {
        if (limits == _limits) return;
        try
        {
            await _host.Engine.Containers.UpdateAsync(Container.Id, RuntimeContainer.Limits(limits), cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException failure)
        {
            throw Explained(failure);
        }
        _limits = limits;
    }

    /// <inheritdoc/>
    public InstanceUsage ReadUsage() => _isStarted ? _host.Usage.Read(Container.Id) : default;

    /// <inheritdoc/>
    public async ValueTask<bool> RanOutOfMemoryAsync()
    {
        if (!_isStarted) return false;
        try
        {
            // Of one that ends just now.
            await Exited.WaitAsync(ExitGrace, _host.Time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // It goes on.
        }
        return Container.RanOutOfMemory;
    }

    /// <inheritdoc/>
    public void Kill() => _isKilled = true; // by its removal, which follows

    /// <inheritdoc/>
    public async Task<string?> ReleaseAsync()
    {
        if (_isStarted && !_isKilled)
        {
            try
            {
                await Exited.WaitAsync(ExitGrace, _host.Time).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // the removal kills it
            }
        }
        await _rename.ConfigureAwait(false);
        await Container.DisposeAsync().ConfigureAwait(false);
        if (_user is { } user) _host.Users.Return(user);
        return Container.Leftover;
    }

    private async Task CreateAsync(bool hasInit, CancellationToken cancellationToken)
    {
        var image = await _host.Images.GetAsync(_plan.Key.Runtime, cancellationToken).ConfigureAwait(false);
        await Container.CreateAsync(RuntimeContainer.Settings(_plan, _host.Daemon, image.Id, _user!.Value, hasInit), cancellationToken).ConfigureAwait(false);
    }

    private void Pass(OutputKind kind, string line) => _plan.Output(kind is OutputKind.Stderr ? OutputStream.Error : OutputStream.Out, Encoding.UTF8.GetBytes(line + "\n"));

    private async Task RenameAsync(FunctionName function)
    {
        try
        {
            await _host.Engine.Containers.RenameAsync(Container.Id, RuntimeContainer.Name(function, _plan.Id), CancellationToken.None).ConfigureAwait(false);
        }
        catch (EngineException)
        {
            // It keeps the name that it has.
        }
    }

    private InstanceStartException Explained(Exception failure) => new(failure is EngineException engine ? ContainerFaults.Explain(engine, _plan.Key.Runtime, _host.Engine.Address) : failure.Message, failure) { IsHostsFault = true };
}
