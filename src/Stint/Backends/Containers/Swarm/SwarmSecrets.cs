using Stint.Backends.Containers.Engine;
using Stint.Functions;

namespace Stint.Backends.Containers.Swarm;

/// <summary>
/// Functions' secrets as Swarm's own, so that they reach every node: encrypted in the managers' store and on the way, in memory on nodes that run a task with them. Each service has its own, named after it, and
/// they go with it.
/// </summary>
internal sealed class SwarmSecrets(EngineClient engine, FunctionSecrets secrets, string daemon)
{
    // Swarm's limit.
    private const int MaxBytes = 500_000;

    /// <summary>Makes those of a version.</summary>
    /// <returns>For each its name in function.toml, Swarm's id and Swarm's name.</returns>
    /// <exception cref="InstanceStartException">One is missing, or Swarm does not take it.</exception>
    public async Task<IReadOnlyList<(string Name, string Id, string Object)>> MakeAsync(FunctionVersion version, string service, CancellationToken cancellationToken)
    {
        var made = new List<(string, string, string)>();
        foreach (var (name, value) in secrets.Read(version))
        {
            if (value.Length is 0 or > MaxBytes) throw new InstanceStartException($"{version.Name} wants the secret {name}, which has {value.Length} bytes; Swarm takes 1 to {MaxBytes}");
            var labels = ContainerLabels.Of(daemon, SwarmLabels.ServiceRole, version.Name);
            labels[SwarmLabels.Service] = service;
            // Names of ours may be longer than Swarm's 64 characters: this one says whose it is, the label of the file which.
            var named = $"{service[..Math.Min(service.Length, 60)]}.{made.Count}";
            made.Add((name, await engine.Services.CreateSecretAsync(new SecretSettings(named, labels, value), cancellationToken).ConfigureAwait(false), named));
        }
        return made;
    }

    /// <summary>Removes those of a service that is gone.</summary>
    public async Task RemoveAsync(string service, CancellationToken cancellationToken)
    {
        foreach (var secret in await engine.Services.ListSecretsAsync(SwarmLabels.Ours(daemon).AndLabel(SwarmLabels.Service, service), cancellationToken).ConfigureAwait(false))
            await engine.Services.RemoveSecretAsync(secret.ID, cancellationToken).ConfigureAwait(false);
    }
}
