// Starts an instance in a sandbox of its own:
//
//   1. a folder with a socket on which we listen, a control group with the limits, a user number
//   2. the sandbox's command (Sandboxing/Sandbox.cs), through the spawner
//   3. the runtime connects: HELLO; we answer LOAD with the code's folder and the environment
//   4. it opens the other connections, loads the code, says READY (Protocol/Handshake.cs)
//   5. the socket's path is removed: nobody else can connect
//
// Whatever fails, everything made so far is freed and the error says what happened, with the last lines that the function printed.
using System.ComponentModel;
using System.Net.Sockets;
using System.Security.Cryptography;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Protocol;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Processes.Spawning;
using Stint.Functions;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Processes;

/// <summary>Runs functions as sandboxed processes of this host.</summary>
/// <param name="host">What instances share.</param>
/// <param name="options">Folders and interpreters.</param>
/// <param name="holdBundle">Keeps a version's code on disk until the result is disposed of.</param>
/// <param name="logs">Where output goes.</param>
/// <param name="time">For limits and waits.</param>
/// <param name="logger">For what an operator should know.</param>
internal sealed partial class ProcessBackend(
    ProcessHost host, ProcessBackendOptions options, Func<string, IDisposable> holdBundle, FunctionLogs logs, TimeProvider time, ILogger<ProcessBackend> logger) : IBackend
{
    private const int TailLines = 10;

    /// <inheritdoc/>
    public async Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        if (host.RefusesToRun) throw new InstanceStartException(host.SandboxProblem!) { IsHostsFault = true };
        var spec = version.Spec.Process ?? throw new InstanceStartException($"{version.Name} is not a process function");
        var id = RandomNumberGenerator.GetHexString(RunFolder.NameDigits, lowercase: true);
        var output = new InstanceOutput(version.Name, id, logs, TailLines);
        var resources = new InstanceResources(id, Path.Combine(options.RunFolder, id), host.Users);
        try
        {
            var listener = Listen(resources);
            resources.Bundle = holdBundle(version.Folder);
            resources.Group = host.Groups?.Create(id, new InstanceLimits(spec.MemoryMiB * 1024L * 1024L, spec.Pids, spec.Cpus));
            resources.User = host.TakeUser();
            resources.Process = await host.Spawner.StartAsync(Command(version, spec, resources, output)).ConfigureAwait(false);

            var handshake = new Handshake(listener, version.Spec.ConcurrentRequests, FrameWriter.Load(host.Sandbox is null ? version.Folder : SandboxPaths.Code, version.Spec.ConcurrentRequests, version.Spec.Env));
            var connections = await handshake.RunAsync(resources.Process.Exited, version.Spec.BootTimeout, time, cancellationToken).ConfigureAwait(false);
            listener.Dispose();
            File.Delete(Path.Combine(resources.Folder, "socket"));

            var instance = new ProcessInstance(version, resources, time, text => Leftover(logger, text));
            instance.Serve(connections);
            return instance;
        }
        catch (Exception failure) when (failure is InstanceStartException or IOException or SocketException or Win32Exception or UnauthorizedAccessException)
        {
            var outOfMemory = resources.Group?.RanOutOfMemory() == true;
            await ReleaseAsync(resources).ConfigureAwait(false);
            var text = outOfMemory ? $"the instance ran out of memory (limit {spec.MemoryMiB} MiB) while it started" : failure.Message;
            throw new InstanceStartException(output.WithTail(text), failure) { IsHostsFault = failure is InstanceStartException { IsHostsFault: true } or Win32Exception };
        }
        catch (OperationCanceledException)
        {
            await ReleaseAsync(resources).ConfigureAwait(false);
            throw;
        }
    }

    private static Socket Listen(InstanceResources resources)
    {
        Directory.CreateDirectory(resources.Folder);
        File.SetUnixFileMode(resources.Folder, HostPrograms.TraversableFolder);
        var path = Path.Combine(resources.Folder, "socket");
        var listener = resources.Listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        // The sandbox's user is another one. Others cannot come here: the folder's name is random and its parent cannot be listed.
        File.SetUnixFileMode(path, (UnixFileMode)0b110_110_110);
        listener.Listen(backlog: 64);
        return listener;
    }

    private SpawnRequest Command(FunctionVersion version, ProcessSpec spec, InstanceResources resources, InstanceOutput output)
    {
        if (host.Sandbox is null) return PlainCommand(spec, resources, output);
        var interpreter = RuntimeCommand.Interpreter(spec.Runtime, options);
        List<SandboxMount> mounts =
        [
            new(version.Folder, SandboxPaths.Code),
            new(options.Runtimes, SandboxPaths.Runtimes),
            new(resources.Folder, SandboxPaths.SocketFolder),
        ];
        if (HostPrograms.InstallationOf(interpreter) is { } installation) mounts.Insert(0, new(installation, installation));
        return host.Sandbox.Command(new SandboxPlan
        {
            Command = RuntimeCommand.For(spec.Runtime, options, SandboxPaths.Runtimes, SandboxPaths.Socket, spec.MemoryMiB),
            Mounts = mounts,
            Environment = RuntimeCommand.Environment,
            Network = spec.Network,
            TmpMiB = spec.TmpMiB,
            FileMiB = spec.TmpMiB,
            User = resources.User,
            JoinFiles = resources.Group?.JoinFiles ?? [],
        }, output.Take);
    }

    // --isolation none: limits where the host has control groups, nothing else.
    private SpawnRequest PlainCommand(ProcessSpec spec, InstanceResources resources, InstanceOutput output)
    {
        var preamble = Sandbox.Preamble(new SandboxPlan { Command = [], Mounts = [], TmpMiB = spec.TmpMiB, FileMiB = spec.TmpMiB, JoinFiles = resources.Group?.JoinFiles ?? [] });
        var command = RuntimeCommand.For(spec.Runtime, options, options.Runtimes, Path.Combine(resources.Folder, "socket"), spec.MemoryMiB);
        return new SpawnRequest
        {
            Executable = "/bin/sh",
            Arguments = ["sh", "-c", preamble, "sh", .. command],
            Environment = [.. RuntimeCommand.Environment.Select(static variable => $"{variable.Key}={variable.Value}")],
            Output = output.Take,
        };
    }

    private async Task ReleaseAsync(InstanceResources resources)
    {
        resources.Process?.Signal(Posix.SigKill);
        if (await resources.ReleaseAsync(time).ConfigureAwait(false) is { } left) Leftover(logger, left);
    }

    [LoggerMessage(201, LogLevel.Error, "left behind: {Problem}")]
    private static partial void Leftover(ILogger logger, string problem);
}
