// One container from its making to its removal:
//
//   CreateAsync ──▶ (created: a spare) ──▶ StartAsync ──▶ [its instance serves] ──▶ DisposeAsync
//       │                    │                 │                  │
//       └────────────────────┴── it ends or is removed by somebody: Ended ──────────┘
//
// Whatever happens in between, DisposeAsync gives back all that it held: the container, its address, its place in the network, its callback.
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Stint.Backends.Callbacks;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Networks;
using Stint.Backends.Processes;
using Stint.Functions;

namespace Stint.Backends.Containers;

/// <summary>A container of a function.</summary>
internal sealed partial class FunctionContainer : IAsyncDisposable
{
    // How long a guest has after its stop signal: no call is left in it then. UniFaaS gives none, and many a first process ignores the signal, so it is short.
    private static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(1);

    // How long the rest of its output may take to arrive once it has ended: several answers of an engine that may be busy.
    private static readonly TimeSpan OutputGrace = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _gone = new();
    private readonly ContainerHost _host;
    private readonly FunctionNetwork _network;
    private readonly Lock _lock = new();
    private Task<CreatedContainer>? _creation;
    private Task _following = Task.CompletedTask;
    private Task? _release;
    private bool _ranOutOfMemory;

    private FunctionContainer(ContainerHost host, FunctionVersion version, ImageDetails image, FunctionNetwork network, IPAddress address)
    {
        (_host, Version, ImageId, _network, Address) = (host, version, image.Id, network, address);
        Instance = RandomNumberGenerator.GetHexString(12, lowercase: true);
        Name = $"stint-{host.Options.Daemon}-{ContainerLabels.Readable(version.Name)}-{Instance}";
        if (version.Spec.Container!.CallsBack) Callback = host.Callbacks.Expect(address);
        Output = new ContainerOutput(version.Name, Instance, host.Logs);
    }

    /// <summary>The instance's id in logs, views and labels.</summary>
    public string Instance { get; }

    /// <summary>The name at the engine: it stands for the container even when the engine's answer with its id is lost.</summary>
    public string Name { get; }

    /// <summary>The engine's id; null until it is made.</summary>
    public string? Id { get; private set; }

    /// <summary>What it runs.</summary>
    public FunctionVersion Version { get; }

    /// <summary>The image that it was made of.</summary>
    public string ImageId { get; }

    /// <summary>Its address.</summary>
    public IPAddress Address { get; }

    // Named as an instance's folder, so that the next daemon removes what one that was killed left.
    private string SecretsFolder => Path.Combine(_host.Options.RunFolder, Instance[..RunFolder.NameDigits]);

    /// <summary>Its callback, if it has one.</summary>
    public ExpectedCallback? Callback { get; }

    /// <summary>What it prints.</summary>
    public ContainerOutput Output { get; }

    /// <summary>Whether it has been asked to run.</summary>
    public bool IsStarted { get; private set; }

    /// <summary>Whether the engine has said that it runs; what came of it later is in <see cref="Ended"/>.</summary>
    public bool HasRun { get; private set; }

    /// <summary>Ends with the reason, in one line, when it does not run any more or will never run.</summary>
    public Task<string> Ended => _ended.Task;

    /// <summary>Makes one; it does not run yet.</summary>
    /// <exception cref="EngineException">The engine did not make it. Nothing is left behind.</exception>
    /// <exception cref="InstanceStartException">The host lacks something for it, likewise.</exception>
    public static async Task<FunctionContainer> CreateAsync(ContainerHost host, FunctionVersion version, ImageDetails image, CancellationToken cancellationToken)
    {
        var network = await host.Networks.EnterAsync(version, cancellationToken).ConfigureAwait(false);
        FunctionContainer? container = null;
        try
        {
            if (version.Spec.Container!.CallsBack) await network.ListenAsync(cancellationToken).ConfigureAwait(false);
            container = new FunctionContainer(host, version, image, network, await network.Addresses.TakeAsync(cancellationToken).ConfigureAwait(false));
            await container.CreateAsync(image, cancellationToken).ConfigureAwait(false);
            return container;
        }
        catch
        {
            if (container is null) await host.Networks.LeaveAsync(network).ConfigureAwait(false);
            else await container.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Starts it, and begins to read its output. Returns when its first process runs; whether it serves is another question.</summary>
    /// <exception cref="EngineException">The engine did not start it. Dispose of it.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        IsStarted = true;
        await _host.Engine.Containers.StartAsync(Id!, cancellationToken).ConfigureAwait(false);
        HasRun = true;
        _following = FollowAsync();
    }

    /// <summary>The engine has come back: looks whether the container has survived that.</summary>
    /// <exception cref="EngineException">It is away again.</exception>
    public async Task VerifyAsync(CancellationToken cancellationToken)
    {
        if (Id is null || _ended.Task.IsCompleted) return;
        try
        {
            var hasRun = HasRun;
            var details = await _host.Engine.Containers.InspectAsync(Id, cancellationToken).ConfigureAwait(false);
            if (hasRun && !details.State.Running) End("the instance ended with its container engine, which was stopped or restarted");
        }
        catch (EngineException gone) when (gone.Fault is EngineFault.NoContainer)
        {
            End("the instance's container is gone: the container engine was restarted, or somebody removed it");
        }
    }

    /// <summary>The engine's news: a process of it was killed for memory.</summary>
    public void RanOutOfMemory() => _ranOutOfMemory = true;

    /// <summary>The engine's news: its first process has ended.</summary>
    /// <param name="exitCode">As the engine has it; null = it does not say.</param>
    public async Task DieAsync(int? exitCode)
    {
        // A kill has many reasons, and the engine may tell of memory after the death.
        if (exitCode is 137 or null && !_ranOutOfMemory && !_ended.Task.IsCompleted)
        {
            try
            {
                var details = await _host.Engine.Containers.InspectAsync(Id ?? Name, CancellationToken.None).ConfigureAwait(false);
                _ranOutOfMemory |= details.State.OOMKilled;
                exitCode ??= details.State.ExitCode;
            }
            catch (EngineException)
            {
                // What is known must do.
            }
        }
        End(_ranOutOfMemory
            ? string.Create(CultureInfo.InvariantCulture, $"the instance ran out of memory (limit {Version.Spec.MemoryMiB} MiB) and was killed")
            // 128 + the signal's number, as shells have it.
            : exitCode is > 128 and < 128 + 65 ? $"the instance died: its process was killed by signal {exitCode - 128}" : $"the instance died: its process exited with code {exitCode}");
    }

    /// <summary>It does not run any more, for a reason that is known.</summary>
    public void End(string reason) => _ended.TrySetResult(reason);

    /// <summary>Waits, no longer than a moment, for the output of a container that has ended.</summary>
    public async Task DrainOutputAsync() => await ((Task)_following.WaitAsync(OutputGrace, _host.Time)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    /// <summary>Stops it, removes it, and gives back what it held. Safe to repeat; never throws.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_lock) return new(_release ??= Task.Run(ReleaseAsync));
    }

    private async Task CreateAsync(ImageDetails image, CancellationToken cancellationToken)
    {
        var url = Callback is { } callback ? _host.Callbacks.UrlOf(_network.Gateway, callback) : null;
        var secrets = Version.Spec.Secrets.Count == 0 ? null : _host.Secrets.Copy(Version, SecretsFolder, FunctionSecrets.OwnersOnly);
        var settings = ContainerPlan.Of(_host.Options.Daemon, Version, Instance, _network.Name, Address, url, secrets, image.Config?.Volumes.Keys ?? []);
        _host.Watch.Add(this);
        // Not with the caller's token: a create that nobody waits for any more goes on in the engine, and can only be undone when it has ended.
        _creation = _host.Engine.Containers.CreateAsync(Name, settings, CancellationToken.None);
        var created = await _creation.WaitAsync(cancellationToken).ConfigureAwait(false);
        Id = created.Id;
        foreach (var warning in created.Warnings) EngineWarned(_host.Logger, Version.Name.ToString(), warning);
    }

    private async Task FollowAsync()
    {
        try
        {
            await _host.Outputs.FollowAsync(Id!, Output.Take, _gone.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // It has been removed.
        }
        catch (EngineException failure)
        {
            NoOutput(_host.Logger, Version.Name.ToString(), Instance, failure.Message);
        }
    }

    private async Task ReleaseAsync()
    {
        try
        {
            if (_creation is not null)
            {
                await ((Task)_creation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (IsStarted) await StopAsync().ConfigureAwait(false);
                End("stopped");
                await _host.Engine.Containers.RemoveAsync(Name, CancellationToken.None).ConfigureAwait(false);
            }
        }
        catch (EngineException failure)
        {
            // An engine that comes back is asked what it has of ours, and what nobody knows goes then.
            NotRemoved(_host.Logger, Name, failure.Message);
        }
        finally
        {
            End("stopped");
            await _gone.CancelAsync().ConfigureAwait(false);
            await _following.ConfigureAwait(false);
            _host.Watch.Remove(this);
            if (Id is not null) _host.Usage.Forget(Id);
            if (Version.Spec.Secrets.Count > 0 && Directory.Exists(SecretsFolder)) Directory.Delete(SecretsFolder, recursive: true);
            Callback?.Dispose();
            _network.Addresses.Return(Address);
            await _host.Networks.LeaveAsync(_network).ConfigureAwait(false);
            _gone.Dispose();
        }
    }

    private async Task StopAsync()
    {
        if (!_ended.Task.IsCompleted && await _host.Engine.Containers.KillAsync(Name, ContainerPlan.StopSignal, CancellationToken.None).ConfigureAwait(false))
        {
            await ((Task)_ended.Task.WaitAsync(StopGrace, _host.Time)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!_ended.Task.IsCompleted) await _host.Engine.Containers.KillAsync(Name, "SIGKILL", CancellationToken.None).ConfigureAwait(false);
        }
        await DrainOutputAsync().ConfigureAwait(false);
    }

    [LoggerMessage(231, LogLevel.Warning, "{Function}: the container engine warns: {Warning}")]
    private static partial void EngineWarned(ILogger logger, string function, string warning);

    [LoggerMessage(232, LogLevel.Warning, "{Function}: no output of instance {Instance}: {Problem}")]
    private static partial void NoOutput(ILogger logger, string function, string instance, string problem);

    [LoggerMessage(233, LogLevel.Warning, "the container {Container} could not be removed: {Problem}")]
    private static partial void NotRemoved(ILogger logger, string container, string problem);
}
