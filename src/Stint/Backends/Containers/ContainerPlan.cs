using System.Globalization;
using System.Net;
using Stint.Backends.Containers.Engine;
using Stint.Functions;

namespace Stint.Backends.Containers;

/// <summary>What the engine is asked for: one function's specification as one container's settings. docs/containers.md has the same as a table for users.</summary>
internal static class ContainerPlan
{
    /// <summary>UniFaaS stops its guests so.</summary>
    public const string StopSignal = "SIGINT";

    // The scheduler's period and its shortest quota (cpu.cfs_quota_us), microseconds. A quota, unlike NanoCpus, may name more processors than the host has.
    private const long CpuPeriod = 100_000, LeastCpuQuota = 1_000;

    /// <summary>The settings of one container.</summary>
    /// <param name="daemon">For the labels.</param>
    /// <param name="version">What runs.</param>
    /// <param name="instance">The instance's id.</param>
    /// <param name="network">The function's network, by name.</param>
    /// <param name="address">The container's address in it.</param>
    /// <param name="callbackUrl">Null when it does not call back.</param>
    /// <param name="secrets">The host's folder with its secrets; null = none.</param>
    /// <param name="volumes">Folders that the image declares as volumes.</param>
    public static ContainerSettings Of(string daemon, FunctionVersion version, string instance, string network, IPAddress address, string? callbackUrl, string? secrets, IEnumerable<string> volumes)
    {
        var spec = version.Spec.Container!;
        var labels = ContainerLabels.Of(daemon, ContainerLabels.ContainerRole, version.Name);
        labels[ContainerLabels.Version] = version.Id;
        labels[ContainerLabels.Instance] = instance;
        return new ContainerSettings
        {
            Image = spec.Image,
            Entrypoint = spec.Command.Count == 0 ? null : Fill(spec.Command, callbackUrl),
            Cmd = spec.Args.Count > 0 ? Fill(spec.Args, callbackUrl) : callbackUrl is not null && !spec.TakesCallback ? [callbackUrl] : null,
            Env = [.. version.Spec.Env.Select(static variable => $"{variable.Key}={variable.Value}")],
            Labels = labels,
            StopSignal = StopSignal,
            HostConfig = Host(spec, network, volumes) with
            {
                Mounts = secrets is null ? null : [new MountSettings { Type = "bind", Source = secrets, Target = FunctionSecrets.Folder, ReadOnly = true }],
            },
            NetworkingConfig = new NetworkingConfig(new Dictionary<string, EndpointSettings> { [network] = EndpointSettings.At(address.ToString()) }),
        };
    }

    private static HostConfig Host(ContainerSpec spec, string network, IEnumerable<string> volumes)
    {
        var memory = spec.MemoryMiB * 1024L * 1024L;
        var memoryFolder = string.Create(CultureInfo.InvariantCulture, $"rw,exec,nosuid,nodev,mode=1777,size={spec.TmpMiB}m");
        return new HostConfig
        {
            Runtime = spec.Runtime,
            NetworkMode = network,
            Memory = memory,
            MemorySwap = memory,
            CpuPeriod = spec.Cpus > 0 ? CpuPeriod : null,
            CpuQuota = spec.Cpus > 0 ? Math.Max(LeastCpuQuota, (long)(spec.Cpus * CpuPeriod)) : null,
            PidsLimit = spec.Pids,
            CapDrop = ["ALL"],
            CapAdd = spec.Capabilities.Count == 0 ? null : spec.Capabilities,
            SecurityOpt = ["no-new-privileges"],
            ReadonlyRootfs = !spec.Writable,
            // A volume would be a place on the engine's disk that nothing limits: it is memory as well.
            Tmpfs = spec.Writable ? null : volumes.Append("/tmp").Distinct(StringComparer.Ordinal).ToDictionary(static path => path, _ => memoryFolder),
            // No images of dead processes on the host's disk.
            Ulimits = [new UlimitSettings("core", 0, 0)],
            LogConfig = new LogSettings("json-file", new Dictionary<string, string> { ["max-size"] = "1m", ["max-file"] = "2" }),
        };
    }

    private static IReadOnlyList<string> Fill(IReadOnlyList<string> parts, string? callbackUrl) =>
        callbackUrl is null ? parts : [.. parts.Select(part => part.Replace(ContainerSpec.CallbackPlaceholder, callbackUrl, StringComparison.Ordinal))];
}
