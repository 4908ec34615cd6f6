using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster.Machines;

/// <summary>Clocks that are wrong: libfaketime moves what a process takes for the time of day. Time that only goes forward (CLOCK_MONOTONIC, and with it every wait) goes on as it does, as on a real machine.</summary>
internal static class Clock
{
    private static readonly string Library = $"/usr/lib/{(System.Runtime.InteropServices.RuntimeInformation.OSArchitecture is System.Runtime.InteropServices.Architecture.Arm64 ? "aarch64" : "x86_64")}-linux-gnu/faketime/libfaketimeMT.so.1";

    /// <summary>A daemon whose clock is off by this much.</summary>
    /// <param name="by">As libfaketime has it: <c>+3600s</c>.</param>
    public static DaemonSetup Off(string by) => File.Exists(Library)
        ? new DaemonSetup { Environment = new Dictionary<string, string> { ["LD_PRELOAD"] = Library, ["FAKETIME"] = by, ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1" } }
        : throw new InvalidOperationException($"there is no {Library}: sudo apt-get install libfaketime");

    /// <summary>What a daemon takes for the time.</summary>
    public static async Task<DateTimeOffset> OfAsync(StintDaemon daemon)
    {
        using var answer = await daemon.Management.GetAsync("healthz");
        return answer.Headers.Date ?? throw new InvalidOperationException("the answer has no date");
    }

    /// <summary>Removes libfaketime's shared memory of processes that have ended: a .NET program leaves it behind.</summary>
    public static void RemoveLeftovers()
    {
        foreach (var path in Directory.EnumerateFiles("/dev/shm", "*faketime_*"))
            if (!Directory.Exists($"/proc/{path[(path.LastIndexOf('_') + 1)..]}")) File.Delete(path);
    }
}
