using Stint.Backends.Containers.Engine;

namespace Stint.Backends.Containers;

/// <summary>Finds and removes what daemons made at an engine, by its label alone, so that it works when no daemon is left that would know.</summary>
/// <remarks>
/// An image's labels are those of all containers that anybody makes of it, and of all images that anybody builds on it. Those are not ours: a container counts when its role is one of a container,
/// and an image when it has no name outside of <c>stint/</c>.
/// </remarks>
internal sealed class LabelledObjects(EngineClient engine)
{
    private const string OwnRepository = "stint/";

    // Arbitrary: an engine removes several containers in the time of two.
    private const int AtATime = 4;

    // Of a service that is gone the tasks leave its network when they have ended.
    private static readonly TimeSpan LeavingPause = TimeSpan.FromMilliseconds(500);
    private const int LeavingTries = 40;

    /// <summary>All that there is of all daemons.</summary>
    /// <exception cref="EngineException">The engine is away, or it failed.</exception>
    public async Task<IReadOnlyList<LabelledObject>> FindAsync(CancellationToken cancellationToken)
    {
        var found = new List<LabelledObject>();
        if ((await engine.ReadInfoAsync(cancellationToken).ConfigureAwait(false)).Swarm is { ControlAvailable: true })
        {
            foreach (var one in await engine.Services.ListAsync(Filters(), cancellationToken).ConfigureAwait(false))
                found.Add(new(LabelledKind.Service, one.ID, one.Spec.Name, Daemon(one.Spec.Labels)) { IsRunning = one.Spec.Replicas > 0 });
            foreach (var one in await engine.Services.ListSecretsAsync(Filters(), cancellationToken).ConfigureAwait(false))
                found.Add(new(LabelledKind.Secret, one.ID, one.Spec.Name, Daemon(one.Spec.Labels)));
        }
        foreach (var one in await engine.Containers.ListAsync(Filters(), cancellationToken).ConfigureAwait(false))
        {
            if (one.Labels.GetValueOrDefault(ContainerLabels.Role) == ContainerLabels.RuntimeRole) continue;
            found.Add(new(LabelledKind.Container, one.Id, one.Names is [var name, ..] ? name.TrimStart('/') : one.Id, Daemon(one.Labels)) { IsRunning = one.IsRunning });
        }
        foreach (var one in await engine.Networks.ListAsync(Filters(), cancellationToken).ConfigureAwait(false))
            found.Add(new(LabelledKind.Network, one.Id, one.Name, Daemon(one.Labels)));
        foreach (var one in await engine.Images.ListAsync(Filters(), cancellationToken).ConfigureAwait(false))
        {
            // What lost its last name is listed with this one.
            var tags = one.RepoTags.Where(static tag => tag != "<none>:<none>").ToList();
            if (tags.TrueForAll(IsOwn)) found.Add(new(LabelledKind.Image, one.Id, tags is [var tag, ..] ? tag : one.Id, Daemon(one.Labels)) { Tags = tags });
        }
        foreach (var one in await engine.Volumes.ListAsync(Filters(), cancellationToken).ConfigureAwait(false))
            found.Add(new(LabelledKind.Volume, one.Name, one.Name, Daemon(one.Labels)));
        return found;
    }

    /// <summary>Removes them, kind by kind.</summary>
    /// <param name="onRemoved">Told of each, not at the same time: null = it is gone, else why it is still there.</param>
    /// <exception cref="EngineException">The engine went meanwhile.</exception>
    public async Task RemoveAsync(IReadOnlyList<LabelledObject> objects, Action<LabelledObject, EngineException?> onRemoved, CancellationToken cancellationToken)
    {
        var tell = new Lock();
        foreach (var kind in objects.GroupBy(static one => one.Kind).OrderBy(static group => group.Key))
        {
            await Parallel.ForEachAsync(kind, new ParallelOptions { MaxDegreeOfParallelism = AtATime, CancellationToken = cancellationToken }, async (one, cancelled) =>
            {
                var failure = await TryRemoveAsync(one, cancelled).ConfigureAwait(false);
                lock (tell) onRemoved(one, failure);
            }).ConfigureAwait(false);
        }
    }

    private async Task<EngineException?> TryRemoveAsync(LabelledObject one, CancellationToken cancellationToken)
    {
        try
        {
            switch (one.Kind)
            {
                case LabelledKind.Service:
                    await engine.Services.RemoveAsync(one.Id, cancellationToken).ConfigureAwait(false);
                    break;
                case LabelledKind.Secret:
                    await engine.Services.RemoveSecretAsync(one.Id, cancellationToken).ConfigureAwait(false);
                    break;
                case LabelledKind.Container:
                    await engine.Containers.RemoveAsync(one.Id, cancellationToken).ConfigureAwait(false);
                    break;
                case LabelledKind.Network:
                    await RemoveNetworkAsync(one.Id, cancellationToken).ConfigureAwait(false);
                    break;
                case LabelledKind.Image:
                    // Name by name: by its id an image with several would have to be forced, and that breaks containers of others.
                    foreach (var name in one.Tags is { Count: > 0 } tags ? tags : [one.Id]) await engine.Images.RemoveAsync(name, force: false, cancellationToken).ConfigureAwait(false);
                    break;
                case LabelledKind.Volume:
                    await engine.Volumes.RemoveAsync(one.Id, cancellationToken).ConfigureAwait(false);
                    break;
            }
            return null;
        }
        catch (EngineException failure) when (!failure.IsEngineAway)
        {
            return failure;
        }
    }

    private async Task RemoveNetworkAsync(string id, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                // An overlay is taken off the nodes after it has been removed, and is listed until then.
                await engine.Networks.RemoveAsync(id, cancellationToken).ConfigureAwait(false);
                if (tries == LeavingTries || (await engine.Networks.ListAsync(Filters(), cancellationToken).ConfigureAwait(false)).All(network => network.Id != id)) return;
            }
            catch (EngineException inUse) when (tries < LeavingTries && inUse.EngineMessage?.Contains("in use by task", StringComparison.Ordinal) == true)
            {
                // again
            }
            await Task.Delay(LeavingPause, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
    }

    // Podman puts the registry before a name that has none.
    private static bool IsOwn(string tag) => ((string[])["", "localhost/", "docker.io/"]).Any(registry => tag.StartsWith(registry + OwnRepository, StringComparison.Ordinal));

    private static EngineFilters Filters() => EngineFilters.Label(ContainerLabels.Daemon);

    private static string Daemon(IReadOnlyDictionary<string, string> labels) => labels.GetValueOrDefault(ContainerLabels.Daemon, "");
}
