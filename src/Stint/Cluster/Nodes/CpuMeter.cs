using System.Globalization;

namespace Stint.Cluster.Nodes;

/// <summary>How busy this machine's processors were between two readings (proc_stat(5)).</summary>
internal sealed class CpuMeter
{
    private readonly Lock _lock = new();
    private (long Busy, long All) _last;

    /// <summary>The share since the reading before, 0 to 1; null at the first one, or where the kernel does not say.</summary>
    public double? Read()
    {
        try
        {
            // cpu  user nice system idle iowait irq softirq steal …, in ticks
            var ticks = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..9].Select(static word => long.Parse(word, CultureInfo.InvariantCulture)).ToArray();
            var all = ticks.Sum();
            var busy = all - ticks[3] - ticks[4];
            lock (_lock)
            {
                var (before, since) = (_last, (Busy: busy - _last.Busy, All: all - _last.All));
                _last = (busy, all);
                return before.All == 0 || since.All <= 0 ? null : Math.Clamp((double)since.Busy / since.All, 0, 1);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or InvalidOperationException or ArgumentOutOfRangeException)
        {
            return null;
        }
    }
}
