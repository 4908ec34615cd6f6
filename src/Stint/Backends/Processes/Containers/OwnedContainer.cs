using Stint.Backends.Containers.Engine;
using Stint.Backends.Processes.Spawning;

namespace Stint.Backends.Processes.Containers;

/// <summary>One container from its making to its removal. Everything goes by the name that we give it, so that it can be removed even when the engine's answer to the making was lost.</summary>
/// <param name="host">What containers share.</param>
/// <param name="name">Its name, unique at the engine.</param>
/// <param name="onLine">Takes its output, line by line, not at the same time.</param>
internal sealed class OwnedContainer(EngineHost host, string name, Action<OutputKind, string> onLine) : IAsyncDisposable
{
    // How often, at most, a container that was killed is asked for the reason: the engine hears of a memory kill on another way than of the end, and sometimes after it.
    private const int ReasonAttempts = 15;
    private static readonly TimeSpan ReasonPause = TimeSpan.FromMilliseconds(100);
    private static readonly ExitStatus Killed = new(Posix.SigKill, BySignal: true);

    private readonly TaskCompletionSource<ExitStatus> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _removed = new();
    private Task<CreatedContainer>? _creation;
    private Task _watch = Task.CompletedTask;
    private volatile bool _ranOutOfMemory;

    /// <summary>Its name.</summary>
    public string Name { get; } = name;

    /// <summary>Ends when it has ended and its output has been delivered, or when it was removed.</summary>
    public Task<ExitStatus> Exited => _exited.Task;

    /// <summary>Whether the kernel killed something in it for want of memory; known when it has ended.</summary>
    public bool RanOutOfMemory => _ranOutOfMemory;

    /// <summary>Whether it was removed, or never made: nothing of it runs any more.</summary>
    public bool IsGone { get; private set; }

    /// <summary>Why it could not be removed; null when it was, or will be as soon as there is an engine.</summary>
    public string? Leftover { get; private set; }

    /// <summary>Its id, once it has been made; else its name.</summary>
    public string Id => _creation is { IsCompletedSuccessfully: true } made ? made.GetAwaiter().GetResult().Id : Name;

    /// <summary>Makes it.</summary>
    /// <exception cref="EngineException">It was not made.</exception>
    public async Task CreateAsync(ContainerSettings settings, CancellationToken cancellationToken)
    {
        // Whoever gives up does not end the call: it would leave open whether there is a container now.
        _creation = host.Engine.Containers.CreateAsync(Name, settings, CancellationToken.None);
        await _creation.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Starts it.</summary>
    /// <exception cref="EngineException">It was not started.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        using (await host.EnterStartAsync(cancellationToken).ConfigureAwait(false))
            await host.Engine.Containers.StartAsync(Id, cancellationToken).ConfigureAwait(false);
        _watch = WatchAsync();
    }

    /// <summary>Removes it, killing it if need be. When the engine is away, it is removed later.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            if (_creation is not null) await ((Task)_creation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // An engine that refused has made nothing.
            if (_creation is not null and not { Exception.InnerException: EngineException { IsEngineAway: false } }) await host.Engine.Containers.RemoveAsync(Id, CancellationToken.None).ConfigureAwait(false);
            IsGone = true;
        }
        catch (EngineException failure) when (failure.IsEngineAway)
        {
            host.Removals.Add(Id);
        }
        catch (EngineException failure)
        {
            Leftover = failure.Message;
        }
        finally
        {
            await _removed.CancelAsync().ConfigureAwait(false);
            await _watch.ConfigureAwait(false);
            _exited.TrySetResult(Killed);
            host.Usage.Forget(Id);
            _removed.Dispose();
        }
    }

    private async Task WatchAsync()
    {
        await Task.Yield(); // a cold start does not wait for its log
        try
        {
            await FollowAsync().ConfigureAwait(false);
            _exited.TrySetResult(await ReadEndAsync().ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // being removed
        }
        catch (EngineException)
        {
            // It is gone, or nothing can be known of it.
            _exited.TrySetResult(Killed);
        }
    }

    private async Task FollowAsync()
    {
        try
        {
            await host.Logs.FollowAsync(Id, onLine, _removed.Token).ConfigureAwait(false);
        }
        catch (EngineException failure) when (!failure.IsEngineAway && failure.Fault is not EngineFault.NoContainer)
        {
            // Its output cannot be had; its end all the same.
            await host.Engine.Containers.WaitAsync(Id, _removed.Token).ConfigureAwait(false);
        }
    }

    private async Task<ExitStatus> ReadEndAsync()
    {
        for (var attempt = 1; ; attempt++)
        {
            var state = (await host.Engine.Containers.InspectAsync(Id, _removed.Token).ConfigureAwait(false)).State;
            _ranOutOfMemory = state.OOMKilled;
            if (state.OOMKilled || state.ExitCode != 128 + Posix.SigKill || attempt == ReasonAttempts) return new ExitStatus(state.ExitCode, BySignal: false);
            await Task.Delay(ReasonPause, host.Time, _removed.Token).ConfigureAwait(false);
        }
    }
}
