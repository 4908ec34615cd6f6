using System.ComponentModel;
using System.Security.Cryptography;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Processes.Spawning;
using Stint.Functions;
using Stint.Functions.Builds;
using Stint.Functions.Deployments;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Processes;

/// <summary>
/// Runs build commands in a sandbox like a function's, except that it has one writable folder and, for package tools, the network. While the daemon is root, that folder belongs to the sandbox's user for as long as the tool runs.
/// </summary>
internal sealed class SandboxedBuild(ProcessHost host, TimeProvider time) : IBuildSandbox
{
    private const int TmpMiB = 512;

    // How often the folder is measured. A build may exceed its size by what it writes in between.
    private static readonly TimeSpan MeasureEvery = TimeSpan.FromMilliseconds(500);

    /// <inheritdoc/>
    public string SeenAs(string workFolder) => SandboxPaths.Build;

    /// <inheritdoc/>
    public async Task<BuildExit> RunAsync(BuildCommand command, Action<string> onLine, CancellationToken cancellationToken)
    {
        if (host.Sandbox is not { } sandbox || host.SandboxProblem is not null)
            throw new DeploymentException(DeploymentFault.HostLacks, host.SandboxProblem ?? "there is no sandbox to build in");
        var turn = new Lock();
        var output = new LineSplitter(Line);
        var error = new LineSplitter(Line);
        var process = new SandboxedProcess(host, $"build-{RandomNumberGenerator.GetHexString(10, lowercase: true)}", BuildResources.Limits, NetworkAccess.Host, Command, time);
        try
        {
            await process.PrepareAsync(cancellationToken).ConfigureAwait(false);
            await process.StartAsync(cancellationToken).ConfigureAwait(false);
            using var limits = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var watch = BuildLimits.WatchAsync(command, MeasureEvery, time, limits.Token);
            if (await Task.WhenAny(process.Exited, watch).ConfigureAwait(false) == watch) return new BuildExit(await watch.ConfigureAwait(false), 128 + Posix.SigKill);
            await limits.CancelAsync().ConfigureAwait(false);
            var status = await process.Exited.ConfigureAwait(false);
            if (await process.RanOutOfMemoryAsync().ConfigureAwait(false)) onLine($"the build ran out of memory (limit {BuildResources.Limits.MemoryBytes >> 20} MiB)");
            return new BuildExit(BuildEnd.Exited, status.BySignal ? 128 + status.Code : status.Code);
        }
        catch (Win32Exception failure)
        {
            throw new DeploymentException(DeploymentFault.HostLacks, $"the build's sandbox cannot be started: {failure.Message}", failure);
        }
        finally
        {
            process.Kill();
            await process.ReleaseAsync().ConfigureAwait(false);
            if (process.User is not null) WorkFolder.GiveTo(command.WorkFolder, 0);
        }

        SpawnRequest Command(SandboxedProcess made)
        {
            if (made.User is { } user) WorkFolder.GiveTo(command.WorkFolder, (uint)user);
            return sandbox.Command(Plan(command, made), Take);
        }

        void Line(string text)
        {
            lock (turn) onLine(text);
        }

        void Take(OutputStream stream, ReadOnlySpan<byte> piece) => (stream == OutputStream.Out ? output : error).Take(piece);
    }

    private static SandboxPlan Plan(BuildCommand command, SandboxedProcess process)
    {
        List<SandboxMount> mounts = [new(command.WorkFolder, SandboxPaths.Build, MountAccess.ReadWrite)];
        // A package tool outside of /usr brings its installation along; npm's is the folder of node.
        if (HostPrograms.InstallationOf(command.Arguments[0]) is { } installation) mounts.Insert(0, new(installation, installation));
        return new SandboxPlan
        {
            Command = command.Arguments,
            Mounts = mounts,
            Environment = command.Environment,
            WorkingFolder = $"{SandboxPaths.Build}/{command.StartIn}",
            Network = command.Network,
            TmpMiB = TmpMiB,
            FileMiB = (int)(command.SizeLimit >> 20),
            User = process.User,
            JoinFiles = process.JoinFiles,
        };
    }
}
