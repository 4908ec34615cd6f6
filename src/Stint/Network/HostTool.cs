using System.ComponentModel;
using System.Diagnostics;

namespace Stint.Network;

/// <summary>Programs of the host that change its packet filters.</summary>
internal static class HostTool
{
    // Each takes a few milliseconds; iptables waits for others that hold its lock.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <summary>The absolute path of a program in the system's own folders; null when there is none.</summary>
    public static string? Find(string name) => ((string[])["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin"]).Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Its exit code, and what it printed.</returns>
    /// <exception cref="NetworkUnavailableException">It cannot be started, or did not end.</exception>
    public static async Task<HostToolResult> RunAsync(string program, IEnumerable<string> arguments, string input, TimeProvider time)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        // Error messages are looked at, and shown.
        start.Environment["LC_ALL"] = "C";
        using var limit = new CancellationTokenSource(Limit, time);
        try
        {
            using var process = Process.Start(start)!;
            try
            {
                var output = process.StandardOutput.ReadToEndAsync(limit.Token);
                var error = process.StandardError.ReadToEndAsync(limit.Token);
                try
                {
                    await process.StandardInput.WriteAsync(input.AsMemory(), limit.Token).ConfigureAwait(false);
                    process.StandardInput.Close();
                }
                catch (IOException)
                {
                    // It ended without reading, and has said why.
                }
                await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
                return new HostToolResult(process.ExitCode, await output.ConfigureAwait(false), (await error.ConfigureAwait(false)).Trim());
            }
            catch (OperationCanceledException late)
            {
                process.Kill(entireProcessTree: true);
                throw new NetworkUnavailableException($"{program} did not end within {Limit.TotalSeconds:0} s", late);
            }
        }
        catch (Win32Exception failure)
        {
            throw new NetworkUnavailableException($"{program} cannot be started: {failure.Message}", failure);
        }
    }
}

/// <summary>How a program ended.</summary>
internal sealed record HostToolResult(int ExitCode, string Output, string Error);
