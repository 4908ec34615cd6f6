// A Linux with ACPI on a microvm has no timer of the PC to measure its clock by. KVM tells it the clock's frequency; QEMU's interpreter, TCG, does not, and tries to measure it against a PIT fail on a busy host:
// then the kernel waits for ever for a tick. TCG's time stamp counter is the host's (cpu_get_host_ticks), so the host's frequency is what the kernel needs to be told: tsc_early_khz
// (Documentation/admin-guide/kernel-parameters.txt). A guest that is no Linux passes over it.
using System.Globalization;

namespace Stint.Backends.Vms.Qemu;

/// <summary>Tells an interpreted guest how fast its clock runs.</summary>
internal static class InterpretedClock
{
    private const string Parameter = "tsc_early_khz=";

    private static readonly Lazy<string?> Measured = new(() => File.Exists("/proc/cpuinfo") ? Find(File.ReadLines("/proc/cpuinfo")) : null);

    /// <summary>The command line with the frequency, unless it has one already or the host does not say.</summary>
    public static string AddTo(string commandLine) =>
        Measured.Value is not { } frequency || commandLine.Contains(Parameter, StringComparison.Ordinal) ? commandLine : $"{commandLine} {Parameter}{frequency}".TrimStart();

    /// <summary>The first processor's frequency in kHz out of <c>/proc/cpuinfo</c>: what the kernel has measured, or with frequency scaling the current one, which is near enough for a guest's clock to begin with.</summary>
    internal static string? Find(IEnumerable<string> lines)
    {
        foreach (var line in lines)
        {
            if (!line.StartsWith("cpu MHz", StringComparison.Ordinal)) continue;
            return double.TryParse(line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..], CultureInfo.InvariantCulture, out var megahertz) && megahertz is > 100 and < 100_000
                ? ((long)(megahertz * 1000)).ToString(CultureInfo.InvariantCulture)
                : null;
        }
        return null;
    }
}
