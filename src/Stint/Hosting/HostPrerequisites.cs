using System.Diagnostics;
using System.Runtime.InteropServices;
using Stint.Backends.Processes.Sandboxing;

namespace Stint.Hosting;

/// <summary>
/// What <c>stint up --examples</c> needs of a fresh Debian machine. As root it is installed through apt; otherwise the exact command is said. Without <c>--examples</c> nothing is ever installed.
/// </summary>
internal static class HostPrerequisites
{
    private static readonly (string Program, string Package)[] Interpreters = [("python3", "python3"), ("node", "nodejs")];
    private static readonly (string Program, string Package)[] Sandbox = [("bwrap", "bubblewrap"), ("setpriv", "util-linux")];

    /// <summary>Makes sure of it.</summary>
    /// <returns>Null, or what is missing and how to get it.</returns>
    public static async Task<string?> EnsureAsync(DaemonOptions options, bool examples, CancellationToken cancellationToken)
    {
        if (!examples || options.Isolation == Isolation.None) return null;
        // Images of containers are made of the host's interpreters.
        (string Program, string Package)[] needed = options.Backend == RuntimeBackend.Docker ? Interpreters : [.. Sandbox, .. Interpreters];
        var packages = Missing(needed);
        // Asynchronous calls want it, and nothing else: a daemon that cannot install it starts without.
        if (Environment.IsPrivilegedProcess && HostPrograms.Find("apt-get") is not null && !NativeLibrary.TryLoad("libsqlite3.so.0", out _)) packages = [.. packages, "libsqlite3-0"];
        if (packages.Length == 0) return null;
        var command = $"apt-get install -y --no-install-recommends {string.Join(' ', packages)}";
        if (!Environment.IsPrivilegedProcess || HostPrograms.Find("apt-get") is not { } apt) return $"this host lacks {string.Join(", ", packages)}. Install them, then try again: sudo {command}";
        Console.Error.WriteLine($"stint: installing what is missing: {command}");
        // A fresh machine has no package lists yet.
        if (await RunAsync(apt, ["update", "-q"], cancellationToken).ConfigureAwait(false) != 0) return "apt-get update failed; see its output above";
        if (await RunAsync(apt, ["install", "-y", "-q", "--no-install-recommends", .. packages], cancellationToken).ConfigureAwait(false) != 0) return $"'{command}' failed; see its output above";
        return Missing(needed) is { Length: > 0 } still ? $"{string.Join(", ", still)} still missing after '{command}'" : null;
    }

    private static string[] Missing((string Program, string Package)[] needed) => [.. needed.Where(static need => HostPrograms.Find(need.Program) is null).Select(static need => need.Package)];

    private static async Task<int> RunAsync(string program, string[] arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments);
        start.Environment["DEBIAN_FRONTEND"] = "noninteractive";
        using var process = System.Diagnostics.Process.Start(start)!;
        await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        return process.ExitCode;
    }
}
