using System.ComponentModel;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Processes.Spawning;
using Stint.Hosting;
using Stint.Network;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Processes;

/// <summary>
/// What instances and builds share of this host: the spawner, the sandbox, the control groups, the user numbers. Made at start, after what a killed daemon left was removed; the last to go.
/// </summary>
internal sealed partial class ProcessHost : IDisposable
{
    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(10);

    private readonly ProcessBackendOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Prepares the host.</summary>
    /// <exception cref="IOException">A folder cannot be used.</exception>
    public ProcessHost(ProcessBackendOptions options, HostNetwork network, TimeProvider time, ILogger<ProcessHost> logger)
    {
        (_options, _time) = (options, time);
        Networks = IsRoot ? new KernelNetworks(network) : new UserNetworks(network.Options, Spawner, time, logger);
        NetworkPolicy = new NetworkPolicy(Networks, options.NetworkDefault, logger);
        Users = new SandboxUsers(options.GroupName);
        RunFolder.Prepare(options.RunFolder);
        Groups = HostControlGroups.TryOpen(options.GroupName, out var noGroups);
        if (Groups is null) NoControlGroups(logger, LimitsProblem = noGroups);
        if (options.Isolation == Isolation.None)
        {
            SandboxProblem = "isolation is off (--isolation none): functions run as plain processes with the daemon's own rights";
            return;
        }
        try
        {
            Sandbox = Sandbox.Prepare(options.StateFolder);
        }
        catch (IOException missing)
        {
            SandboxProblem = missing.Message;
        }
    }

    /// <summary>Starts processes.</summary>
    public Spawner Spawner { get; } = new();

    /// <summary>Makes sandbox commands; null when there is no sandbox.</summary>
    public Sandbox? Sandbox { get; }

    /// <summary>The control groups; null when there are none.</summary>
    public IControlGroups? Groups { get; }

    /// <summary>The users of sandboxes.</summary>
    public SandboxUsers Users { get; }

    /// <summary>The sandboxes' ways to the world.</summary>
    public ISandboxNetworks Networks { get; }

    /// <summary>Who gets which.</summary>
    public NetworkPolicy NetworkPolicy { get; }

    /// <summary>Whether the daemon is root, so that every sandbox gets a user of its own.</summary>
    public bool IsRoot { get; } = Posix.geteuid() == 0;

    /// <summary>Why functions are not isolated, or cannot be run at all; null when all is well.</summary>
    public string? SandboxProblem { get; private set; }

    /// <summary>Why limits of memory, processes and cpu are not enforced; null when they are.</summary>
    public string? LimitsProblem { get; }

    /// <summary>Whether nothing may run: isolation was asked for and cannot be had.</summary>
    public bool RefusesToRun => SandboxProblem is not null && _options.Isolation == Isolation.Sandbox;

    /// <summary>A user number for a sandbox, when the daemon is root.</summary>
    public int? TakeUser() => IsRoot && Sandbox is not null ? Users.Take() : null;

    /// <summary>Runs a trivial command in a sandbox, to know at start what would otherwise fail at the first call.</summary>
    /// <returns>Null, or why it failed.</returns>
    public async Task<string?> ProbeAsync(CancellationToken cancellationToken)
    {
        if (Sandbox is null) return SandboxProblem;
        var errors = new List<string>();
        var splitter = new LineSplitter(errors.Add);
        var user = TakeUser();
        try
        {
            var plan = new SandboxPlan { Command = ["/bin/true"], Mounts = [], TmpMiB = 1, FileMiB = 1, User = user };
            var process = await Spawner.StartAsync(Sandbox.Command(plan, (_, piece) => splitter.Take(piece))).ConfigureAwait(false);
            var status = await process.Exited.WaitAsync(ProbeLimit, _time, cancellationToken).ConfigureAwait(false);
            if (status is { BySignal: false, Code: 0 }) return null;
            SandboxProblem = $"a sandbox cannot be made on this host: {string.Join(' ', errors.DefaultIfEmpty(status.ToString()))}. 'stint doctor' says what to do";
        }
        catch (Exception failure) when (failure is Win32Exception or TimeoutException)
        {
            SandboxProblem = $"a sandbox cannot be made on this host: {failure.Message}";
        }
        finally
        {
            if (user is { } number) Users.Return(number);
        }
        return SandboxProblem;
    }

    /// <summary>Does ahead what starts need not do one by one.</summary>
    public Task WarmUpAsync(CancellationToken cancellationToken) => RefusesToRun ? Task.CompletedTask : RuntimeBytecode.CompileAsync(Spawner, _options, _time, cancellationToken);

    /// <summary>Ends the spawner and removes control groups and folders; what ran must have been stopped before.</summary>
    public void Dispose()
    {
        Spawner.Dispose();
        Groups?.Dispose();
        RunFolder.Remove(_options.RunFolder);
    }

    [LoggerMessage(200, LogLevel.Warning, "limits of memory, processes and cpu are not enforced: {Problem}")]
    private static partial void NoControlGroups(ILogger logger, string problem);
}
