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
using Stint.Hosting;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Processes;

/// <summary>Runs functions as sandboxed processes of this host.</summary>
internal sealed partial class ProcessBackend : IBackend, IAsyncDisposable
{
    private const int TailLines = 10;

    private readonly ProcessBackendOptions _options;
    private readonly Spawner _spawner = new();
    private readonly SandboxUsers _users = new();
    private readonly FunctionLogs _logs;
    private readonly TimeProvider _time;
    private readonly ILogger<ProcessBackend> _logger;
    private readonly Sandbox? _sandbox;
    private readonly IControlGroups? _groups;
    private readonly bool _root = Posix.geteuid() == 0;

    /// <summary>Prepares the host: removes what a daemon that was killed left, finds sandbox and control groups.</summary>
    public ProcessBackend(ProcessBackendOptions options, FunctionLogs logs, TimeProvider time, ILogger<ProcessBackend> logger)
    {
        (_options, _logs, _time, _logger) = (options, logs, time, logger);
        RunFolder.Prepare(options.RunFolder);
        _groups = HostControlGroups.TryOpen(options.GroupName, out var noGroups);
        if (_groups is null) NoControlGroups(logger, LimitsProblem = noGroups);
        if (options.Isolation == Isolation.None)
        {
            SandboxProblem = "isolation is off (--isolation none): functions run as plain processes with the daemon's own rights";
            return;
        }
        try
        {
            _sandbox = Sandbox.Prepare(options.StateFolder);
        }
        catch (IOException missing)
        {
            SandboxProblem = missing.Message;
        }
    }

    /// <summary>Why functions are not isolated, or cannot be run at all; null when all is well.</summary>
    public string? SandboxProblem { get; private set; }

    /// <summary>Why limits of memory, processes and cpu are not enforced; null when they are.</summary>
    public string? LimitsProblem { get; }

    /// <summary>Whether functions run in sandboxes.</summary>
    public bool IsIsolated => _sandbox is not null;

    /// <summary>Runs a trivial command in a sandbox, to know at start what would otherwise fail at the first call.</summary>
    /// <returns>Null, or why it failed.</returns>
    public async Task<string?> ProbeAsync(CancellationToken cancellationToken)
    {
        if (_sandbox is null) return SandboxProblem;
        var errors = new List<string>();
        var splitter = new LineSplitter(errors.Add);
        var user = _root ? _users.Take() : (int?)null;
        try
        {
            var plan = new SandboxPlan { Command = ["/bin/true"], Mounts = [], TmpMiB = 1, FileMiB = 1, User = user };
            var process = await _spawner.StartAsync(_sandbox.Command(plan, (_, piece) => splitter.Take(piece))).ConfigureAwait(false);
            var status = await process.Exited.WaitAsync(TimeSpan.FromSeconds(10), _time, cancellationToken).ConfigureAwait(false);
            if (status is { BySignal: false, Code: 0 }) return null;
            SandboxProblem = $"a sandbox cannot be made on this host: {string.Join(' ', errors.DefaultIfEmpty(status.ToString()))}. 'stint doctor' says what to do";
        }
        catch (Exception failure) when (failure is Win32Exception or TimeoutException)
        {
            SandboxProblem = $"a sandbox cannot be made on this host: {failure.Message}";
        }
        finally
        {
            if (user is { } number) _users.Return(number);
        }
        return SandboxProblem;
    }

    /// <inheritdoc/>
    public async Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        if (SandboxProblem is { } problem && _options.Isolation == Isolation.Sandbox) throw new InstanceStartException(problem);
        var spec = version.Spec.Process ?? throw new InstanceStartException($"{version.Name} is not a process function");
        var id = RandomNumberGenerator.GetHexString(10, lowercase: true);
        var output = new InstanceOutput(version.Name, id, _logs, TailLines);
        var resources = new InstanceResources(id, Path.Combine(_options.RunFolder, id), _users);
        try
        {
            var listener = Listen(resources);
            if (_groups is not null) resources.Group = _groups.Create(id, new InstanceLimits(spec.MemoryMiB * 1024L * 1024L, spec.Pids, spec.Cpus));
            if (_root && _sandbox is not null) resources.User = _users.Take();
            resources.Process = await _spawner.StartAsync(Command(version, spec, resources, output)).ConfigureAwait(false);

            var handshake = new Handshake(listener, version.Spec.ConcurrentRequests, FrameWriter.Load(_sandbox is null ? version.Folder : SandboxPaths.Code, version.Spec.ConcurrentRequests, version.Spec.Env));
            var connections = await handshake.RunAsync(resources.Process.Exited, version.Spec.BootTimeout, _time, cancellationToken).ConfigureAwait(false);
            listener.Dispose();
            File.Delete(Path.Combine(resources.Folder, "socket"));

            var instance = new ProcessInstance(version, resources, _time, text => Leftover(_logger, text));
            instance.Serve(connections);
            return instance;
        }
        catch (Exception failure) when (failure is InstanceStartException or IOException or SocketException or Win32Exception or UnauthorizedAccessException)
        {
            var outOfMemory = resources.Group?.RanOutOfMemory() == true;
            await ReleaseAsync(resources).ConfigureAwait(false);
            var text = outOfMemory ? $"the instance ran out of memory (limit {spec.MemoryMiB} MiB) while it started" : failure.Message;
            throw new InstanceStartException(output.WithTail(text), failure);
        }
        catch (OperationCanceledException)
        {
            await ReleaseAsync(resources).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends the spawner and removes the control groups; instances must have been disposed of before.</summary>
    public ValueTask DisposeAsync()
    {
        _spawner.Dispose();
        _groups?.Dispose();
        if (Directory.Exists(_options.RunFolder)) Directory.Delete(_options.RunFolder, recursive: true);
        return ValueTask.CompletedTask;
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
        if (_sandbox is null) return PlainCommand(spec, resources, output);
        var interpreter = RuntimeCommand.Interpreter(spec.Runtime, _options);
        List<SandboxMount> mounts =
        [
            new(version.Folder, SandboxPaths.Code),
            new(_options.Runtimes, SandboxPaths.Runtimes),
            new(resources.Folder, SandboxPaths.SocketFolder),
        ];
        if (HostPrograms.InstallationOf(interpreter) is { } installation) mounts.Insert(0, new(installation, installation));
        return _sandbox.Command(new SandboxPlan
        {
            Command = RuntimeCommand.For(spec.Runtime, _options, SandboxPaths.Runtimes, SandboxPaths.Socket, spec.MemoryMiB),
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
        var command = RuntimeCommand.For(spec.Runtime, _options, _options.Runtimes, Path.Combine(resources.Folder, "socket"), spec.MemoryMiB);
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
        if (await resources.ReleaseAsync(_time).ConfigureAwait(false) is { } left) Leftover(_logger, left);
    }

    [LoggerMessage(200, LogLevel.Warning, "limits of memory, processes and cpu are not enforced: {Problem}")]
    private static partial void NoControlGroups(ILogger logger, string problem);

    [LoggerMessage(201, LogLevel.Error, "left behind: {Problem}")]
    private static partial void Leftover(ILogger logger, string problem);
}
