// Starts an instance as a container (docs/containers.md):
//
//   1. the engine is there, or the start fails at once and says so
//   2. the image, as its name stands now: a rebuilt one counts from the next start on
//   3. a container that was created ahead (CreatedSpares.cs), else a new one
//   4. start, in turn with others
//   5. ready: its callback has come, or its port accepts and its health-path answers
//
// Whatever fails, everything made so far is removed and the error says what happened, with the last lines that the container printed.
using System.Globalization;
using System.Net;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Upstream;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends.Containers;

/// <summary>Runs functions as containers of an engine.</summary>
internal sealed class ContainerBackend(ContainerHost host) : IBackend, IAsyncDisposable
{
    private readonly CreatedSpares _spares = new(host);

    /// <summary>What containers share.</summary>
    public ContainerHost Host => host;

    /// <summary>Starts that took a container that was created ahead.</summary>
    public long SparesTaken => _spares.Taken;

    /// <summary>Has a network and containers made for a version that will be called.</summary>
    public void Expect(FunctionVersion version) => _spares.Expect(version);

    /// <summary>Removes what is kept for a function whose last instance is gone.</summary>
    public async Task ForgetAsync(FunctionName function)
    {
        await _spares.ForgetAsync(function).ConfigureAwait(false);
        await host.Networks.ForgetAsync(function).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        var spec = version.Spec.Container ?? throw new InstanceStartException($"{version.Name} is not a container function");
        var start = new Start(host, version);
        using var limit = new CancellationTokenSource(version.Spec.BootTimeout, host.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            if (await host.Watch.ReachAsync(either.Token).ConfigureAwait(false) is { } away) throw away;
            var image = await host.Engine.Images.InspectAsync(spec.Image, either.Token).ConfigureAwait(false);
            RequireEntrypoint(spec, image);
            return await start.RunAsync(_spares.TryTake(version, image.Id), image, either.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is InstanceStartException or EngineException or OperationCanceledException)
        {
            // The output before the container goes, and the error when it has gone: nothing is left behind then.
            var error = start.Explain(failure);
            await start.DisposeAsync().ConfigureAwait(false);
            throw new InstanceStartException(start.WithOutput(error), failure) { IsHostsFault = failure is InstanceStartException { IsHostsFault: true } or EngineException { Fault: not (EngineFault.Rejected or EngineFault.Failed) } };
        }
        finally
        {
            // Only now, so that making the next spare takes no processor time from this start.
            _spares.Refill(version);
        }
    }

    /// <summary>An image without ENTRYPOINT would take the callback URL for its command: it is none of UniFaaS's, and its user has not said so.</summary>
    private static void RequireEntrypoint(ContainerSpec spec, ImageDetails image)
    {
        if (!spec.CallsBack || spec.TakesCallback || spec.Command.Count > 0 || image.Config is not { Entrypoint.Count: 0 }) return;
        throw new InstanceStartException(
            $"the image {spec.Image} has no ENTRYPOINT that could take the callback URL. If it knows nothing of callbacks, say which port it serves on, for instance port = {spec.HttpPort} below [container]");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _spares.DisposeAsync().ConfigureAwait(false);
        await host.Networks.DisposeAsync().ConfigureAwait(false);
        if (host.Watch.IsInUse) await host.Watch.CleanUpAsync().ConfigureAwait(false);
        await host.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>One start and what it holds until it has succeeded; when it has not, dispose of it.</summary>
    private sealed class Start(ContainerHost host, FunctionVersion version) : IAsyncDisposable
    {
        private FunctionContainer? _container;
        private HttpUpstream? _upstream;
        private HttpReadiness? _readiness;
        private string _stage = "the container engine did not answer";

        /// <summary>Steps 3 to 5.</summary>
        public async Task<IInstance> RunAsync(FunctionContainer? spare, ImageDetails image, CancellationToken cancellationToken)
        {
            _container = spare;
            _stage = "other containers are being started and its turn did not come";
            await host.Turns.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                _stage = "the container engine did not create its container in time";
                _container ??= await FunctionContainer.CreateAsync(host, version, image, cancellationToken).ConfigureAwait(false);
                _stage = "the container engine did not start its container in time";
                await _container.StartAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                host.Turns.Release();
            }
            await ServesAsync(_container, cancellationToken).ConfigureAwait(false);
            return new ContainerInstance(_container, _upstream!, host);
        }

        /// <summary>The failure in words, without the output.</summary>
        public string Explain(Exception failure) => failure is OperationCanceledException
            ? string.Create(CultureInfo.InvariantCulture, $"it was not ready within {version.Spec.BootTimeout.TotalSeconds:0.##} s (boot-timeout): {(_readiness is null ? _stage : _readiness.Problem)}")
            : failure.Message;

        /// <summary>Removes what was made.</summary>
        public async ValueTask DisposeAsync()
        {
            _upstream?.Dispose();
            if (_container is not null) await _container.DisposeAsync().ConfigureAwait(false);
        }

        /// <summary>The error, and under it what the container printed last.</summary>
        public string WithOutput(string error) => _container?.Output.WithTail(error) ?? error;

        /// <summary>Step 5.</summary>
        private async Task ServesAsync(FunctionContainer container, CancellationToken cancellationToken)
        {
            var spec = version.Spec.Container!;
            _upstream = new HttpUpstream(new IPEndPoint(container.Address, spec.HttpPort), version.Spec.ConcurrentRequests, container.Ended, host.Time);
            if (container.Callback is { } callback)
            {
                _stage = "it did not make its callback; an image that knows nothing of callbacks wants `port` or `health-path` in function.toml";
                var first = await Task.WhenAny(callback.Ready, container.Ended).WaitAsync(cancellationToken).ConfigureAwait(false);
                if (first == container.Ended) throw new InstanceStartException(await container.Ended.ConfigureAwait(false));
            }
            else
            {
                _readiness = new HttpReadiness(_upstream, spec.HealthPath, host.Time);
                await _readiness.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
