using System.Globalization;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends.Processes.Containers;

/// <summary>What is asked of the engine for a runtime's container: the same that the process sandbox gives (Sandboxing/Sandbox.cs), in the engine's words.</summary>
internal static class RuntimeContainer
{
    // A function may print without end; its own log, which is kept apart, has its own bounds.
    private static readonly LogSettings Log = new("json-file", new Dictionary<string, string> { ["max-size"] = "1m", ["max-file"] = "2" });

    // The interpreters by the names that an image has them under.
    private static readonly RuntimeInterpreters Interpreters = new("python3", "node");

    /// <summary>The container.</summary>
    /// <param name="plan">What is to run.</param>
    /// <param name="daemon">Whose it is.</param>
    /// <param name="image">The runtime's image.</param>
    /// <param name="user">The host's user number that it runs as.</param>
    /// <param name="hasInit">Whether the engine has an init, which reaps orphans and takes signals for a runtime that has no handler for them.</param>
    public static ContainerSettings Settings(RuntimePlan plan, string daemon, string image, int user, bool hasInit)
    {
        var labels = plan.Function is { } function ? ContainerLabels.Of(daemon, ContainerLabels.ProcessRole, function) : ContainerLabels.Of(daemon, ContainerLabels.ProcessRole);
        labels[ContainerLabels.Instance] = plan.Id;
        var limits = Limits(plan.Limits);
        return new ContainerSettings
        {
            Image = image,
            Entrypoint = [""], // not the base image's own
            Cmd = RuntimeCommand.For(plan.Key.Runtime, Interpreters, RuntimeImages.Runtimes, ContainerPaths.Socket, plan.Key.HeapMiB),
            // Where programs are, the image knows.
            Env = [.. RuntimeCommand.Environment.Where(static variable => variable.Key != "PATH").Select(static variable => $"{variable.Key}={variable.Value}")],
            Labels = labels,
            User = User(user),
            WorkingDir = "/tmp",
            Hostname = plan.Key.Network == NetworkAccess.None ? "function" : null,
            HostConfig = Walls(plan.Key.TmpMiB, plan.Key.TmpMiB) with
            {
                Memory = limits.Memory,
                MemorySwap = limits.MemorySwap,
                NanoCpus = limits.NanoCpus,
                PidsLimit = limits.PidsLimit,
                Mounts = [Folder(plan.Code, SandboxPaths.Code), Folder(plan.SocketFolder, ContainerPaths.SocketFolder), .. plan.Secrets is { } secrets ? [Folder(secrets, FunctionSecrets.Folder)] : (MountSettings[])[]],
                NetworkMode = plan.Key.Network == NetworkAccess.Host ? "host" : "none",
                Init = hasInit,
            },
        };
    }

    /// <summary>What every container has that others' code runs in.</summary>
    /// <param name="tmpMiB">Size of <c>/tmp</c> and of <c>/dev/shm</c>.</param>
    /// <param name="fileMiB">The largest file that it may write.</param>
    public static HostConfig Walls(int tmpMiB, int fileMiB) => new()
    {
        CapDrop = ["ALL"],
        SecurityOpt = ["no-new-privileges"],
        ReadonlyRootfs = true,
        Tmpfs = new Dictionary<string, string> { ["/tmp"] = string.Create(CultureInfo.InvariantCulture, $"rw,exec,nosuid,nodev,size={tmpMiB}m,mode=1777") },
        ShmSize = tmpMiB * 1024L * 1024L,
        Ulimits = [new("core", 0, 0), new("nofile", 1024, 1024), new("fsize", fileMiB * 1024L * 1024L, fileMiB * 1024L * 1024L)],
        OomScoreAdj = 500,
        LogConfig = Log,
    };

    /// <summary>Limits in the engine's words.</summary>
    public static LimitSettings Limits(InstanceLimits limits) => new() { Memory = limits.MemoryBytes, MemorySwap = limits.MemoryBytes, NanoCpus = (long)(limits.Cpus * 1_000_000_000), PidsLimit = limits.Pids };

    /// <summary>A user number and the group of the same number.</summary>
    public static string User(int number) => string.Create(CultureInfo.InvariantCulture, $"{number}:{number}");

    /// <summary>A container's name, which says whose it is.</summary>
    /// <param name="function">Null = nobody's yet.</param>
    /// <param name="id">The instance.</param>
    public static string Name(FunctionName? function, string id) =>
        function is { } known ? $"stint-{ContainerLabels.Readable(known)}-{id}" : $"stint-{id}";

    private static MountSettings Folder(string host, string inside) => new() { Type = "bind", Source = host, Target = inside, ReadOnly = true };
}
