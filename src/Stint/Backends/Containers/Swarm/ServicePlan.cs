using System.Globalization;
using Stint.Backends.Containers.Engine;
using Stint.Functions;
using Stint.Functions.Specification;

namespace Stint.Backends.Containers.Swarm;

/// <summary>What Swarm is asked for: one version's specification as one service's settings. docs/swarm.md has the same as a table for users.</summary>
internal static class ServicePlan
{
    private const long PerSecond = 1_000_000_000, Mebibyte = 1024 * 1024;

    // World-writable with the sticky bit, 01777; and 0444. As numbers, because JSON has no octal ones.
    private const int TemporaryFolder = 0b1_111_111_111, Readable = 0b100_100_100;

    // The first API that takes Privileges.NoNewPrivileges of a service.
    private static readonly ApiVersion WithPrivileges = new(1, 44);

    // A crashing function is started again twice a second at most.
    private const long RestartDelay = PerSecond / 2;

    /// <summary>Why a function cannot be a service of Swarm; null when it can.</summary>
    public static string? Misfit(FunctionVersion version)
    {
        var spec = version.Spec.Container!;
        return spec switch
        {
            { CallsBack: true } => $"{version.Name} is to say by itself that it is ready, with a callback, which no other machine can make. Say which port it serves on instead: port = {spec.HttpPort} below [container]",
            { Runtime: { } runtime } => $"{version.Name} wants the runtime {runtime}, and a service of Swarm has each node's default one. Remove `runtime`, and make it the default of the nodes (\"default-runtime\" in /etc/docker/daemon.json)",
            { Network: ContainerNetwork.Internal } => $"{version.Name} wants network = \"internal\"; the network of all services leads out. Remove that key, or make the network {nameof(ContainerNetwork.Internal).ToLowerInvariant()} yourself (docker network create -d overlay --attachable --internal) and start the daemon inside it",
            _ when version.Spec.ScaleBy == ScalingMeasure.Cpu => $"{version.Name} is to be scaled by cpu, and what its instances use is known to their nodes alone. Scale it by rps or capacity (scale-by, com.openfaas.scale.type)",
            _ => version.Spec.SingleUse ? $"{version.Name} is single-use, and a replica of Swarm is there to stay. Remove single-use" : null,
        };
    }

    /// <summary>The image as nodes are to find it.</summary>
    /// <param name="name">As function.toml has it.</param>
    /// <param name="image">As the manager's engine has it; null = it has none of that name.</param>
    /// <returns>Null when no node may be asked for it.</returns>
    /// <remarks>
    /// A node pulls what it is given by name. What never was in a registry is therefore given by its id, which cannot be pulled: else the public registry would be asked for it, where a stranger may have taken the name.
    /// </remarks>
    public static string? Image(string name, ImageDetails? image)
    {
        if (image is null) return NamesRegistry(name) ? name : null;
        // "registry:5000/name@sha256:…": the tag is not in it.
        var repository = Repository(name);
        return image.RepoDigests.FirstOrDefault(digest => Repository(digest) == repository) ?? image.Id;
    }

    /// <summary>The settings of a service.</summary>
    /// <param name="daemon">For the labels.</param>
    /// <param name="version">What runs.</param>
    /// <param name="key">Which service.</param>
    /// <param name="image">As nodes find it.</param>
    /// <param name="network">The overlay's id.</param>
    /// <param name="published">Each node publishes the port of its tasks.</param>
    /// <param name="secrets">Its secrets at the swarm: name in function.toml, and the object.</param>
    /// <param name="volumes">Folders that the image declares as volumes.</param>
    /// <param name="replicas">How many tasks.</param>
    /// <param name="api">What the engine speaks.</param>
    public static ServiceSettings Of(string daemon, FunctionVersion version, ServiceKey key, string image, string network, bool published,
        IReadOnlyList<(string Name, string Id, string Object)> secrets, IEnumerable<string> volumes, int replicas, ApiVersion api)
    {
        var (spec, grace) = (version.Spec.Container!, (long)(version.Spec.Timeout.TotalSeconds * PerSecond));
        return new ServiceSettings
        {
            Name = key.ServiceName,
            Labels = Labels(daemon, version, key),
            Mode = new ServiceMode(new ReplicatedMode(replicas)),
            TaskTemplate = new TaskTemplate
            {
                ContainerSpec = new TaskContainer
                {
                    Image = image,
                    Labels = new Dictionary<string, string> { [ContainerLabels.Function] = version.Name.ToString(), [ContainerLabels.Version] = version.Id },
                    Command = spec.Command.Count == 0 ? null : spec.Command,
                    Args = spec.Args.Count == 0 ? null : spec.Args,
                    Env = [.. version.Spec.Env.Select(static variable => $"{variable.Key}={variable.Value}")],
                    // Swarm chooses the task that goes when there are to be fewer: a call in it may end.
                    StopGracePeriod = Math.Max(PerSecond, grace),
                    ReadOnly = !spec.Writable,
                    Mounts = spec.Writable ? null : [.. volumes.Append("/tmp").Distinct(StringComparer.Ordinal).Select(path =>
                        new TaskMount { Type = "tmpfs", Target = path, TmpfsOptions = new TmpfsSettings(spec.TmpMiB * Mebibyte, TemporaryFolder) })],
                    Secrets = secrets.Count == 0 ? null : [.. secrets.Select(static secret =>
                        new SecretReference(secret.Id, secret.Object, new SecretFile($"{FunctionSecrets.Folder}/{secret.Name}", "0", "0", Readable)))],
                    CapabilityDrop = ["ALL"],
                    CapabilityAdd = spec.Capabilities.Count == 0 ? null : [.. spec.Capabilities.Select(static name => $"CAP_{name}")],
                    Ulimits = [new UlimitSettings("core", 0, 0)],
                    Privileges = api >= WithPrivileges ? new TaskPrivileges(NoNewPrivileges: true) : null,
                },
                Resources = new TaskResources(
                    new TaskAmounts(spec.Cpus > 0 ? (long)(spec.Cpus * PerSecond) : null, spec.MemoryMiB * Mebibyte, spec.Pids), Reservations(version)),
                RestartPolicy = new RestartSettings("any", RestartDelay),
                Placement = version.Spec.Constraints.Count == 0 ? null : new PlacementSettings([.. version.Spec.Constraints.Select(Constraint)]),
                Networks = [new NetworkAttachment(network, key.Alias is { } alias ? [alias] : [])],
                LogDriver = new LogDriverSettings("json-file", new Dictionary<string, string> { ["max-size"] = "1m", ["max-file"] = "2" }),
            },
            // Ours is another service for another version. These hold for whoever changes a service by hand.
            UpdateConfig = new UpdateSettings(1, "start-first", "rollback", 5 * PerSecond),
            RollbackConfig = new UpdateSettings(1, "start-first", "pause", 5 * PerSecond),
            EndpointSpec = new EndpointSpec("dnsrr", published ? [new PublishedPort { TargetPort = spec.HttpPort }] : null),
        };
    }

    private static Dictionary<string, string> Labels(string daemon, FunctionVersion version, ServiceKey key)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        // OpenFaaS's users look for their labels on services; ours come last and win.
        foreach (var (name, value) in version.Spec.Labels) labels[name] = value;
        foreach (var (name, value) in ContainerLabels.Of(daemon, SwarmLabels.ServiceRole, version.Name)) labels[name] = value;
        labels[SwarmLabels.Function] = version.Name.Name;
        labels[SwarmLabels.Module] = version.Name.Module;
        labels[ContainerLabels.Version] = version.Id;
        labels[SwarmLabels.Revision] = key.Revision;
        labels[SwarmLabels.Image] = version.Spec.Container!.Image;
        return labels;
    }

    private static TaskAmounts? Reservations(FunctionVersion version)
    {
        long? cpus = version.Spec.Requests.TryGetValue("cpu", out var cpu) && ResourceAmount.TryCpus(cpu, out var count) ? (long)(count * PerSecond) : null;
        long? memory = version.Spec.Requests.TryGetValue("memory", out var text) && ResourceAmount.TryMemory(text, out var mebibytes) ? mebibytes * Mebibyte : null;
        return cpus is null && memory is null ? null : new TaskAmounts(cpus, memory);
    }

    // faas-cli's files have "node.platform.os == linux"; the API takes no blanks.
    private static string Constraint(string text) => string.Create(CultureInfo.InvariantCulture, $"{text}").Replace(" ", "", StringComparison.Ordinal);

    private static string Repository(string name)
    {
        name = name.Split('@')[0];
        var tag = name.LastIndexOf(':');
        return tag > name.LastIndexOf('/') ? name[..tag] : name;
    }

    // As Docker reads names: the first part is a registry when it has a dot or a port, or is localhost.
    private static bool NamesRegistry(string name) =>
        name.IndexOf('/', StringComparison.Ordinal) is > 0 and var slash && name[..slash] is var host && (host.Contains('.', StringComparison.Ordinal) || host.Contains(':', StringComparison.Ordinal) || host == "localhost");
}
