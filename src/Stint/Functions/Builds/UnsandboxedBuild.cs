using System.ComponentModel;
using System.Diagnostics;
using Stint.Functions.Deployments;

namespace Stint.Functions.Builds;

/// <summary>Runs build commands as plain processes of the daemon's user: for <c>--isolation none</c>.</summary>
internal sealed class UnsandboxedBuild(TimeProvider time) : IBuildSandbox
{
    /// <summary>How often the work folder is measured. A build may exceed its size by what it writes in between.</summary>
    private static readonly TimeSpan MeasureEvery = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public string SeenAs(string workFolder) => workFolder;

    /// <inheritdoc/>
    public async Task<BuildExit> RunAsync(BuildCommand command, Action<string> onLine, CancellationToken cancellationToken)
    {
        using var process = Start(command);
        using var limits = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var turn = new Lock();
        void Pass(string line) { lock (turn) onLine(line); }

        try
        {
            process.StandardInput.Close();
            // The pumps end with the process tree: whoever holds the pipes is killed below.
            var pumps = Task.WhenAll(LinePump.RunAsync(process.StandardOutput, Pass, limits.Token), LinePump.RunAsync(process.StandardError, Pass, limits.Token));
            var watch = BuildLimits.WatchAsync(command, MeasureEvery, time, limits.Token);
            var exit = process.WaitForExitAsync(limits.Token);
            if (await Task.WhenAny(exit, watch) == watch && !cancellationToken.IsCancellationRequested)
            {
                var end = await watch;
                process.Kill(entireProcessTree: true);
                return new BuildExit(end, 137);
            }
            await exit;
            // A process it left behind may hold the pipes open; the time limit counts for that too.
            if (await Task.WhenAny(pumps, watch) == watch && !cancellationToken.IsCancellationRequested) return new BuildExit(await watch, 137);
            await pumps;
            return new BuildExit(BuildEnd.Exited, process.ExitCode);
        }
        finally
        {
            await limits.CancelAsync();
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    private static Process Start(BuildCommand command)
    {
        var start = new ProcessStartInfo(command.Arguments[0], command.Arguments.Skip(1))
        {
            WorkingDirectory = Path.Combine(command.WorkFolder, command.StartIn),
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment.Clear();
        foreach (var (name, value) in command.Environment) start.Environment[name] = value;
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new DeploymentException(DeploymentFault.HostLacks, $"cannot start {command.Arguments[0]}: {e.Message}", e);
        }
    }
}
