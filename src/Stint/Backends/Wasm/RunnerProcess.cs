// A runner is a process in the sandbox of functions, with less in it than any of theirs: no network, no code but ours, 1 MiB of /tmp. As a command, besides what Sandbox.cs does:
//
//   node --single-threaded-gc … /run/runtimes/wasm/runner.js /run/stint/socket
using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Protocol;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Processes.Spawning;
using Stint.Functions;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Wasm;

/// <summary>Starts runners' processes, and says how they ended.</summary>
/// <param name="host">What processes share.</param>
/// <param name="options">The interpreter and the runner's code.</param>
/// <param name="time">For waits.</param>
internal sealed class RunnerProcess(ProcessHost host, WasmBackendOptions options, TimeProvider time)
{
    private const int TmpMiB = 1;
    private const int Pids = 64;          // Node.js has a dozen threads
    private const int StackKiB = 3900;    // of the 8 MiB that a process's first thread has on every usual host (ulimit -s)
    private const int HeapMiB = 64;       // JavaScript's; guests' memories are not in it
    private const int TailLines = 5;

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    /// <summary>Why nothing may run here.</summary>
    public string? Refusal => host.RefusesToRun ? host.SandboxProblem : null;

    /// <summary>The clock.</summary>
    public TimeProvider Time => time;

    /// <summary>Starts one; it is up when this returns.</summary>
    /// <param name="memoryMiB">Its limit.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>What it holds of the host, its connection, and the last that it printed.</returns>
    /// <exception cref="InstanceStartException">It did not get up; nothing is left.</exception>
    public async Task<(InstanceResources Resources, Socket Socket, FrameReader Reader, Func<string> Tail)> StartAsync(int memoryMiB, CancellationToken cancellationToken)
    {
        if (Refusal is { } refusal) throw new InstanceStartException(refusal) { IsHostsFault = true };
        var node = options.NodeJs ?? throw new InstanceStartException("WebAssembly functions run in Node.js, which is not installed on this host. Install it: apt-get install nodejs") { IsHostsFault = true };
        var id = RandomNumberGenerator.GetHexString(RunFolder.NameDigits, lowercase: true);
        var resources = new InstanceResources(id, Path.Combine(options.RunFolder, id));
        var tail = new Queue<string>();
        var splitter = new LineSplitter(Keep);
        Handshake? handshake = null;
        try
        {
            resources.Listener = RuntimeSocket.Listen(resources.Folder);
            var limits = new InstanceLimits(memoryMiB * 1024L * 1024L, Pids, 0);
            resources.Process = new SandboxedProcess(host, id, limits, NetworkAccess.None, process => Command(node, resources.Folder, process, (_, piece) => splitter.Take(piece)), time);
            await resources.Process.PrepareAsync(cancellationToken).ConfigureAwait(false);
            await resources.Process.StartAsync(cancellationToken).ConfigureAwait(false);
            handshake = new Handshake(resources.Listener, resources.Process.Exited, time);
            await handshake.GreetAsync(StartLimit, cancellationToken).ConfigureAwait(false);
            var (socket, reader) = (await handshake.LoadAsync(FrameWriter.Load("", 1, []), 1, StartLimit, cancellationToken).ConfigureAwait(false))[0];
            resources.Listener.Dispose();
            File.Delete(RuntimeSocket.PathIn(resources.Folder));
            return (resources, socket, reader, Tail);
        }
        catch (Exception failure) when (failure is InstanceStartException or IOException or SocketException or System.ComponentModel.Win32Exception or UnauthorizedAccessException or OperationCanceledException)
        {
            handshake?.Dispose();
            resources.Process?.Kill();
            await resources.ReleaseAsync().ConfigureAwait(false);
            if (failure is OperationCanceledException) throw;
            var said = Tail();
            throw new InstanceStartException($"a runner for WebAssembly did not start: {failure.Message}{(said.Length > 0 ? "\n" + said : "")}", failure) { IsHostsFault = true };
        }

        void Keep(string line)
        {
            lock (tail)
            {
                if (tail.Count == TailLines) tail.Dequeue();
                tail.Enqueue(line);
            }
        }

        string Tail()
        {
            lock (tail) return string.Join('\n', tail);
        }
    }

    private SpawnRequest Command(string node, string socketFolder, SandboxedProcess process, OutputSink output)
    {
        if (host.Sandbox is { } sandbox)
        {
            List<SandboxMount> mounts = [new(Path.Combine(options.Runtimes, "wasm"), SandboxPaths.Runtimes), new(socketFolder, SandboxPaths.SocketFolder)];
            if (HostPrograms.InstallationOf(node) is { } installation) mounts.Insert(0, new(installation, installation));
            return sandbox.Command(new SandboxPlan
            {
                Command = Arguments(node, SandboxPaths.Runtimes, SandboxPaths.Socket), Mounts = mounts, Environment = RuntimeCommand.Environment, Network = NetworkAccess.None,
                TmpMiB = TmpMiB, FileMiB = TmpMiB, User = process.User, JoinFiles = process.JoinFiles,
            }, output);
        }
        // --isolation none: limits where the host has control groups. It still dies with the daemon, also with a guest in it that never ends.
        string[] mortal = HostPrograms.Find("setpriv") is { } setpriv ? [setpriv, "--pdeathsig", "KILL", "--"] : [];
        var preamble = Sandbox.Preamble(new SandboxPlan { Command = [], Mounts = [], TmpMiB = TmpMiB, FileMiB = TmpMiB, JoinFiles = process.JoinFiles });
        return new SpawnRequest
        {
            Executable = "/bin/sh",
            Arguments = ["sh", "-c", preamble, "sh", .. mortal, .. Arguments(node, Path.Combine(options.Runtimes, "wasm"), RuntimeSocket.PathIn(socketFolder))],
            Environment = [.. RuntimeCommand.Environment.Select(static variable => $"{variable.Key}={variable.Value}")],
            Output = output,
        };
    }

    // --single-threaded-gc: collecting garbage in one thread is as quick for so small a heap, and takes no other core's time. --expose-gc: the runner does it between calls.
    private static IReadOnlyList<string> Arguments(string node, string folder, string socket) =>
    [
        node, "--single-threaded-gc", "--expose-gc", "--disallow-code-generation-from-strings", "--no-deprecation",
        string.Create(CultureInfo.InvariantCulture, $"--stack-size={StackKiB}"), string.Create(CultureInfo.InvariantCulture, $"--max-old-space-size={HeapMiB}"), $"{folder}/runner.js", socket,
    ];
}
