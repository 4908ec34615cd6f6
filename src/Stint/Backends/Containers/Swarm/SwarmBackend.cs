// Functions with [container] as services of Docker Swarm (docs/swarm.md, docs/decisions/0018-swarm.md).
//
//   FunctionPool ──▶ SwarmBackend ──▶ FunctionService: one for each version    ServiceMaking ──▶ image, secrets, network, service
//        │                                  ▲ tasks                            ServiceOutput ──▶ the function's log
//        ▼                             SwarmWatch: one question a second
//   SwarmInstance ──HTTP──▶ its task, wherever it runs
using Stint.Backends.Containers.Engine;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends.Containers.Swarm;

/// <summary>Runs functions as services of a swarm.</summary>
internal sealed partial class SwarmBackend(SwarmHost host) : IBackend, IAsyncDisposable
{
    private static readonly TimeSpan SweepLimit = TimeSpan.FromSeconds(30);

    /// <summary>Why the swarm cannot be asked; null while it can, and before anybody wanted to.</summary>
    public string? Problem => host.Watch.Problem;

    /// <summary>What an operator should know of how tasks are reached; null when there is nothing.</summary>
    public string? Warning => host.Network.Known is { IsPublished: true }
        ? "functions' ports are published on every node of the swarm that runs them: who reaches a node reaches the function without this gateway. Close them in a firewall, or run the daemon inside the network (docs/swarm.md)"
        : null;

    /// <inheritdoc/>
    public async Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        if (version.Spec.Container is null) throw new InstanceStartException($"{version.Name} is not a container function");
        if (ServicePlan.Misfit(version) is { } misfit) throw new InstanceStartException(misfit);
        if (host.Network.Known is null)
        {
            try
            {
                await host.Network.FindWayAsync(cancellationToken).ConfigureAwait(false);
                if (Warning is { } warning) Published(host.Logger, warning);
            }
            catch (EngineException failure)
            {
                throw new InstanceStartException(failure.Message, failure) { IsHostsFault = true };
            }
        }
        var (service, start) = host.Enlist(version);
        return await service.StartAsync(start, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A version is served from now on.</summary>
    public void Expect(FunctionVersion version) => host.Serve(version);

    /// <summary>The daemon is about to end: services stay, and the next daemon finds them.</summary>
    public void Leave() => host.Leave();

    /// <summary>Removes the services and secrets of a function that is gone.</summary>
    public async Task ForgetAsync(FunctionName function)
    {
        try
        {
            await host.ForgetAsync(function).ConfigureAwait(false);
        }
        catch (EngineException failure)
        {
            NotRemoved(host.Logger, function, failure.Message);
        }
    }

    /// <summary>Takes over the services that an earlier daemon left of what is served, and removes all others of its own. Without a swarm there is nothing to say: no function may need it.</summary>
    /// <param name="serving">What is served now; null = a function that has no usable version and keeps what it has.</param>
    public async Task SweepAsync(IReadOnlyDictionary<FunctionName, FunctionVersion?> serving)
    {
        using var limit = new CancellationTokenSource(SweepLimit, host.Time);
        try
        {
            var found = await host.Engine.Services.ListAsync(SwarmLabels.Ours(host.Options.Daemon), limit.Token).ConfigureAwait(false);
            if (found.Count == 0) return;
            await host.Network.FindWayAsync(limit.Token).ConfigureAwait(false);
            foreach (var service in found)
            {
                var isKnown = FunctionName.TryParse(service.Spec.Labels.GetValueOrDefault(ContainerLabels.Function, ""), out var name) && serving.TryGetValue(name, out _);
                var version = isKnown ? serving[name] : null;
                if (version is { Spec.Container: not null } && host.TryAdopt(version, service)) Adopted(host.Logger, service.Spec.Name, service.Spec.Replicas);
                else if (version is not null || !isKnown)
                {
                    await host.Engine.Services.RemoveAsync(service.ID, limit.Token).ConfigureAwait(false);
                    await host.Secrets.RemoveAsync(service.Spec.Name, limit.Token).ConfigureAwait(false);
                    LeftoverRemoved(host.Logger, service.Spec.Name);
                }
            }
            host.Watch.Hurry();
        }
        catch (EngineException)
        {
            // Whoever needs a swarm is told that there is none.
        }
        catch (Exception failure) when (failure is OperationCanceledException or InstanceStartException)
        {
            NotSwept(host.Logger, failure.Message);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => host.DisposeAsync();

    [LoggerMessage(244, LogLevel.Warning, "{Warning}")]
    private static partial void Published(ILogger logger, string warning);

    [LoggerMessage(245, LogLevel.Information, "the service {Service} of an earlier run goes on, with {Replicas} replicas")]
    private static partial void Adopted(ILogger logger, string service, int replicas);

    [LoggerMessage(246, LogLevel.Information, "the service {Service}, left of an earlier run, was removed")]
    private static partial void LeftoverRemoved(ILogger logger, string service);

    [LoggerMessage(247, LogLevel.Warning, "services of an earlier run could not be looked at; the daemon's next start tries again: {Problem}")]
    private static partial void NotSwept(ILogger logger, string problem);

    [LoggerMessage(248, LogLevel.Warning, "{Function}: its services could not all be removed; the daemon's next start tries again: {Problem}")]
    private static partial void NotRemoved(ILogger logger, FunctionName function, string problem);
}
