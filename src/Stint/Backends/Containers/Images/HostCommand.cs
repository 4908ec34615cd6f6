using System.ComponentModel;
using System.Diagnostics;

namespace Stint.Backends.Containers.Images;

/// <summary>Runs the host's own programs, to learn about them or to let them work.</summary>
internal static class HostCommand
{
    /// <summary>What a program prints, however it ends.</summary>
    /// <exception cref="IOException">There is no such program.</exception>
    public static async Task<string> OutputAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        using var process = Start(program, arguments);
        try
        {
            // Both at once: a program that fills one pipe waits for its reader.
            var errors = process.StandardError.ReadToEndAsync(cancellationToken);
            var output = await process.StandardOutput.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
            await errors.ConfigureAwait(false);
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            return output;
        }
        finally
        {
            End(process);
        }
    }

    /// <summary>Runs a program that takes its time; each line that it prints is passed on.</summary>
    /// <returns>Its exit code.</returns>
    /// <exception cref="IOException">There is no such program.</exception>
    public static async Task<int> RunAsync(string program, IEnumerable<string> arguments, Action<string> onLine, CancellationToken cancellationToken)
    {
        using var process = Start(program, arguments);
        try
        {
            await Task.WhenAll(PassAsync(process.StandardOutput), PassAsync(process.StandardError)).ConfigureAwait(false);
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
            return process.ExitCode;
        }
        finally
        {
            End(process);
        }

        async Task PassAsync(StreamReader reader)
        {
            while (await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
                lock (process) onLine(line);
        }
    }

    /// <summary>A program whose standard output is read by the caller, who disposes of it and looks at its end.</summary>
    /// <exception cref="IOException">There is no such program.</exception>
    public static Process Start(string program, IEnumerable<string> arguments)
    {
        try
        {
            var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
            start.Environment["LC_ALL"] = "C";
            var process = Process.Start(start)!;
            process.StandardInput.Close();
            return process;
        }
        catch (Win32Exception missing)
        {
            throw new IOException($"{program} cannot be run: {missing.Message}", missing);
        }
    }

    private static void End(Process process)
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
    }
}
