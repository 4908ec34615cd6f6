namespace Stint.Checks;

/// <summary>Room for built functions, their logs and the build cache.</summary>
internal sealed class DiskSpaceCheck : ICheck
{
    // Arbitrary: one large upload (256 MiB by default) with its unpacked and built copies; and a fifth of it, below which a plain deployment may fail.
    private const long Comfortable = 1L << 30;
    private const long Least = Comfortable / 5;

    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        var folder = new DirectoryInfo(Path.GetFullPath(scope.State));
        while (!folder.Exists && folder.Parent is { } parent) folder = parent;
        var free = new DriveInfo(folder.FullName).AvailableFreeSpace;
        var found = $"{free / (1 << 20):N0} MiB free at {folder.FullName}.";
        return Task.FromResult(free switch
        {
            < Least => Result(CheckStatus.Missing, found, "Free some space, or choose another disk with stint up --state FOLDER", Concern.Everything),
            < Comfortable => Result(CheckStatus.Degraded, found, "Free some space, or choose another disk with stint up --state FOLDER", Concern.Comfort),
            _ => Result(CheckStatus.Fine, found, null, Concern.Comfort),
        });

        static CheckResult Result(CheckStatus status, string found, string? cure, Concern concern) => new("disk space", status, found, cure, concern);
    }
}
