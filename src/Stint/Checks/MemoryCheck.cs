using System.Globalization;

namespace Stint.Checks;

/// <summary>Memory for instances.</summary>
internal sealed class MemoryCheck : ICheck
{
    // The daemon itself and one instance of the default size (256 MiB).
    private const long ComfortableMiB = 320;

    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        // proc_meminfo(5): MemAvailable estimates what new programs can have without swapping.
        var kibibytes = File.ReadLines("/proc/meminfo").FirstOrDefault(line => line.StartsWith("MemAvailable:", StringComparison.Ordinal))?
            .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).ElementAtOrDefault(1);
        if (!long.TryParse(kibibytes, NumberStyles.None, CultureInfo.InvariantCulture, out var available))
            return Task.FromResult(new CheckResult("memory", CheckStatus.Degraded, "/proc/meminfo does not say how much is available.", "Mount /proc.", Concern.Comfort));
        var mebibytes = available / 1024;
        var found = string.Create(CultureInfo.InvariantCulture, $"{mebibytes:N0} MiB available.");
        return Task.FromResult(mebibytes < ComfortableMiB
            ? new CheckResult("memory", CheckStatus.Degraded, found, "Give functions less: memory = 64 in function.toml, and stint up --memory-budget", Concern.Comfort)
            : new CheckResult("memory", CheckStatus.Fine, found, null, Concern.Comfort));
    }
}
