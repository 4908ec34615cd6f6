using Stint.Functions.Archives;

namespace Stint.Functions.Deployments;

/// <summary>Settings of deployments, and the taps that tests need.</summary>
internal sealed record DeployerOptions
{
    /// <summary>What an archive may contain.</summary>
    public ArchiveLimits Archive { get; init; } = new();

    /// <summary>What an archive of a virtual machine's files may contain: disks are large, and mostly empty, so the ratio is only deflate's own (1,032).</summary>
    public ArchiveLimits Images { get; init; } = new() { MaxFileBytes = uint.MaxValue - 1, MaxTotalBytes = 8L << 30, MaxRatio = 1100 };

    /// <summary>What decides for several machines; null: this machine's folder alone.</summary>
    public IDeploymentStore? Store { get; init; }

    /// <summary>Whether to try <c>RENAME_EXCHANGE</c>. False only in tests: it stands for a file system that has none (NFS, old overlayfs).</summary>
    public bool CanExchange { get; init; } = true;

    /// <summary>Called as each step has been done. Tests look at the disk then, as it would be after a crash.</summary>
    public Action<DeploymentStep> Reached { get; init; } = _ => { };

    /// <summary>
    /// Tries a built version before anything is changed, by starting an instance of it: code that cannot be loaded is refused while its caller is still there. Throws <see cref="DeploymentException"/>.
    /// </summary>
    public Func<FunctionVersion, CancellationToken, Task> TryOut { get; init; } = (_, _) => Task.CompletedTask;
}

/// <summary>The steps of a deployment, in order.</summary>
internal enum DeploymentStep
{
    /// <summary>Code and function.toml are in the staging folder.</summary>
    Staged,

    /// <summary>The bundle is built.</summary>
    Built,

    /// <summary>The staging folder is durable.</summary>
    Flushed,

    /// <summary>Without exchange only: the old version's folder is away, the new one not yet in its place.</summary>
    MovedAway,

    /// <summary>The new version is in its place, durably.</summary>
    Swapped,

    /// <summary>The new version serves.</summary>
    Serving,
}
