using System.ComponentModel;
using System.Diagnostics;

namespace Stint.Checks;

/// <summary>Finds and runs programs of the host.</summary>
internal static class Tool
{
    /// <summary>The longest that a check's program may take. Arbitrary: <c>npm --version</c> takes two seconds on a slow SD card.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    /// <summary>The first program of that name in PATH, and in the folders of system programs that a user's PATH often lacks; null when there is none.</summary>
    public static string? Find(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Concat(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"])
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(IsProgram);

    /// <summary>Whether it is a file that somebody may execute.</summary>
    public static bool IsProgram(string path) =>
        File.Exists(path) && (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0;

    /// <summary>Runs a program and collects what it prints; one that takes too long is killed and has failed.</summary>
    public static async Task<ToolResult> RunAsync(CheckScope scope, string program, IEnumerable<string> arguments, CancellationToken cancellationToken, TimeSpan? limitOfRun = null)
    {
        var patience = limitOfRun ?? Limit;
        // In / because a user that the program turns into may not be allowed into the current folder.
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        using var limit = new CancellationTokenSource(patience, scope.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var process = Process.Start(start)!;
            try
            {
                process.StandardInput.Close();
                var output = process.StandardOutput.ReadToEndAsync(either.Token);
                var error = process.StandardError.ReadToEndAsync(either.Token);
                await process.WaitForExitAsync(either.Token);
                return new ToolResult(process.ExitCode, (await output).Trim(), (await error).Trim());
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                cancellationToken.ThrowIfCancellationRequested();
                return new ToolResult(-1, "", $"no end after {patience.TotalSeconds:0} s");
            }
        }
        catch (Win32Exception e)
        {
            return new ToolResult(-1, "", e.Message);
        }
    }
}

/// <summary>How a program ended.</summary>
/// <param name="ExitCode">Its status; −1 when it could not be started or took too long.</param>
internal sealed record ToolResult(int ExitCode, string Output, string Error)
{
    /// <summary>It ended with 0.</summary>
    public bool Succeeded => ExitCode == 0;

    /// <summary>What it complained about: the last line of standard error, else of standard output.</summary>
    public string Complaint => (Error.Length > 0 ? Error : Output) is { Length: > 0 } text ? text.Split('\n')[^1].Trim() : $"exit status {ExitCode}";
}
