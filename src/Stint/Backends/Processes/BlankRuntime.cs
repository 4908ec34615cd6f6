using System.Net.Sockets;
using System.Security.Cryptography;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Protocol;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Processes.Spawning;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Processes;

/// <summary>
/// A runtime in its sandbox with no function in it: a folder with a socket on which we listen, a control group, a user number, the process. It becomes an instance by a LOAD frame, once.
/// </summary>
internal sealed class BlankRuntime : IAsyncDisposable
{
    private readonly ProcessHost _host;
    private readonly ProcessBackendOptions _options;
    private readonly RuntimeKey _key;
    private readonly string _code;
    private readonly TimeProvider _time;
    private InstanceOutput? _output;
    private Handshake? _handshake;

    /// <summary>Prepares one; nothing is made yet.</summary>
    /// <param name="host">What runtimes share.</param>
    /// <param name="options">Folders and interpreters.</param>
    /// <param name="key">What is fixed from the start.</param>
    /// <param name="code">The folder of the host that it sees as its code.</param>
    /// <param name="time">For limits.</param>
    public BlankRuntime(ProcessHost host, ProcessBackendOptions options, RuntimeKey key, string code, TimeProvider time)
    {
        (_host, _options, _key, _code, _time) = (host, options, key, code, time);
        var id = RandomNumberGenerator.GetHexString(RunFolder.NameDigits, lowercase: true);
        Resources = new InstanceResources(id, Path.Combine(options.RunFolder, id), host.Users);
    }

    /// <summary>What it holds of the host; the instance's when it has become one.</summary>
    public InstanceResources Resources { get; }

    /// <summary>The conversation so far.</summary>
    public Handshake Handshake => _handshake ?? throw new InvalidOperationException("the runtime has not been started");

    /// <summary>Whether it is still there.</summary>
    public bool IsAlive => Resources.Process is { Exited.IsCompleted: false };

    /// <summary>Sends its output to a function's log from now on.</summary>
    public InstanceOutput Attach(FunctionName function, FunctionLogs logs, int tailLines)
    {
        var output = new InstanceOutput(function, Resources.Id, logs, tailLines);
        Volatile.Write(ref _output, output);
        return output;
    }

    /// <summary>Starts it and waits until it is up.</summary>
    /// <exception cref="InstanceStartException">It did not get up. Dispose of it.</exception>
    public async Task StartAsync(InstanceLimits limits, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var listener = Listen();
        Resources.Group = _host.Groups?.Create(Resources.Id, limits);
        Resources.User = _host.TakeUser();
        Resources.Process = await _host.Spawner.StartAsync(_host.Sandbox is { } sandbox ? sandbox.Command(Plan(), Take) : PlainCommand()).ConfigureAwait(false);
        _handshake = new Handshake(listener, Resources.Process.Exited, _time);
        await _handshake.GreetAsync(timeout, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Nobody else can connect from now on.</summary>
    public void CloseDoor()
    {
        Resources.Listener?.Dispose();
        File.Delete(SocketPath);
    }

    /// <summary>Kills it and frees all that it held.</summary>
    public async ValueTask DisposeAsync()
    {
        _handshake?.Dispose();
        Resources.Process?.Signal(Posix.SigKill);
        await Resources.ReleaseAsync(_time).ConfigureAwait(false);
    }

    private string SocketPath => Path.Combine(Resources.Folder, "socket");

    private void Take(OutputStream stream, ReadOnlySpan<byte> piece) => Volatile.Read(ref _output)?.Take(stream, piece);

    private Socket Listen()
    {
        Directory.CreateDirectory(Resources.Folder);
        File.SetUnixFileMode(Resources.Folder, HostPrograms.TraversableFolder);
        var listener = Resources.Listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        // The sandbox's user is another one. Others cannot come here: the folder's name is random and its parent cannot be listed.
        File.SetUnixFileMode(SocketPath, (UnixFileMode)0b110_110_110);
        listener.Listen(backlog: 64);
        return listener;
    }

    private SandboxPlan Plan()
    {
        var interpreter = RuntimeCommand.Interpreter(_key.Runtime, _options);
        List<SandboxMount> mounts =
        [
            new(_code, SandboxPaths.Code),
            new(_options.Runtimes, SandboxPaths.Runtimes),
            new(Resources.Folder, SandboxPaths.SocketFolder),
        ];
        if (HostPrograms.InstallationOf(interpreter) is { } installation) mounts.Insert(0, new(installation, installation));
        return new SandboxPlan
        {
            Command = RuntimeCommand.For(_key.Runtime, _options, SandboxPaths.Runtimes, SandboxPaths.Socket, _key.HeapMiB),
            Mounts = mounts,
            Environment = RuntimeCommand.Environment,
            Network = _key.Network,
            TmpMiB = _key.TmpMiB,
            FileMiB = _key.TmpMiB,
            User = Resources.User,
            JoinFiles = Resources.Group?.JoinFiles ?? [],
        };
    }

    // --isolation none: limits where the host has control groups, nothing else.
    private SpawnRequest PlainCommand()
    {
        var preamble = Sandbox.Preamble(new SandboxPlan { Command = [], Mounts = [], TmpMiB = _key.TmpMiB, FileMiB = _key.TmpMiB, JoinFiles = Resources.Group?.JoinFiles ?? [] });
        return new SpawnRequest
        {
            Executable = "/bin/sh",
            Arguments = ["sh", "-c", preamble, "sh", .. RuntimeCommand.For(_key.Runtime, _options, _options.Runtimes, SocketPath, _key.HeapMiB)],
            Environment = [.. RuntimeCommand.Environment.Select(static variable => $"{variable.Key}={variable.Value}")],
            Output = Take,
        };
    }
}
