namespace Stint.EndToEnd.Fixtures;

/// <summary>One daemon for all tests of a class.</summary>
public class SharedDaemon : IAsyncLifetime
{
    internal StintDaemon Daemon { get; private set; } = null!;

    /// <summary>Its flags.</summary>
    protected virtual IReadOnlyList<string> Flags => [];

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        Daemon = await StintDaemon.StartAsync(await SetupAsync());
        await PrepareAsync();
    }

    /// <inheritdoc/>
    public virtual async Task DisposeAsync() => await Daemon.DisposeAsync();

    /// <summary>How it is started.</summary>
    private protected virtual Task<DaemonSetup> SetupAsync() => Task.FromResult(new DaemonSetup { Flags = Flags });

    /// <summary>Deploys what every test needs.</summary>
    protected virtual Task PrepareAsync() => Task.CompletedTask;
}
