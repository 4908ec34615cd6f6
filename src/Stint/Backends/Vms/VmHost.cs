using Stint.Backends.Callbacks;
using Stint.Backends.Vms.Firecracker;
using Stint.Backends.Vms.Kvm;
using Stint.Backends.Vms.Qemu;
using Stint.Backends.Vms.Snapshots;
using Stint.Functions;
using Stint.Hosting;
using Stint.Network;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Vms;

/// <summary>What virtual machines share of this host: hypervisors, KVM, the network, the callback server.</summary>
internal sealed partial class VmHost : IAsyncDisposable
{
    private readonly VmBackendOptions _options;
    private readonly KvmProbe? _probe;
    private int _warned;
    private volatile string? _noNamespaces;

    /// <param name="options">Folders and programs.</param>
    /// <param name="launcher">Starts hypervisors.</param>
    /// <param name="network">Taps.</param>
    /// <param name="callbacks">Where guests say that they are ready.</param>
    /// <param name="holdBundle">Keeps a version's files on disk until the result is disposed of.</param>
    /// <param name="logs">Where consoles go.</param>
    /// <param name="time">For limits and waits.</param>
    /// <param name="logger">For what an operator should know.</param>
    public VmHost(
        VmBackendOptions options, HypervisorLauncher launcher, HostNetwork network, CallbackServer callbacks, Func<string, IDisposable> holdBundle, FunctionLogs logs, TimeProvider time, ILogger<VmHost> logger)
    {
        (_options, Launcher, Network, Callbacks, HoldBundle, Logs, Time, Logger) = (options, launcher, network, callbacks, holdBundle, logs, time, logger);
        Folders = new VmFolders(options.RunFolder, options.Daemon);
        Snapshots = new SnapshotStore(Path.Combine(options.StateFolder, "snapshots"), logger);
        Namespaces = new Stock<GuestNetwork>(options.NetworkStock, MakeNamespaceAsync, static made => made.Dispose(), failure => NotMade(logger, failure.Message));
        if (options.Qemu is { } qemu) _probe = new KvmProbe(launcher, qemu, options.StateFolder, time);
    }

    /// <summary>Starts hypervisors.</summary>
    public HypervisorLauncher Launcher { get; }

    /// <summary>Taps.</summary>
    public HostNetwork Network { get; }

    /// <summary>Machines that were ready, on disk.</summary>
    public SnapshotStore Snapshots { get; }

    /// <summary>Networks of machines that are made into snapshots or made of one.</summary>
    public Stock<GuestNetwork> Namespaces { get; }

    /// <summary>Where guests say that they are ready.</summary>
    public CallbackServer Callbacks { get; }

    /// <summary>Keeps a version's files on disk until the result is disposed of.</summary>
    public Func<string, IDisposable> HoldBundle { get; }

    /// <summary>The functions' logs.</summary>
    public FunctionLogs Logs { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>Log.</summary>
    public ILogger<VmHost> Logger { get; }

    /// <summary>Instances' folders.</summary>
    public VmFolders Folders { get; }

    /// <summary>Why KVM does not run guests, as far as that is known; null when it does, or nobody has asked yet.</summary>
    public string? KvmProblem { get; private set; }

    /// <summary>Whether a hypervisor is to use KVM.</summary>
    /// <exception cref="InstanceStartException">It cannot do without, and there is none.</exception>
    public async ValueTask<bool> UsesKvmAsync(Hypervisor hypervisor, CancellationToken cancellationToken)
    {
        KvmProblem = _options.Kvm switch
        {
            KvmUse.Always => null,
            KvmUse.Never => "it is switched off (--kvm never)",
            _ => await ProbeAsync(cancellationToken).ConfigureAwait(false),
        };
        if (KvmProblem is not { } problem) return true;
        if (hypervisor is Hypervisor.Firecracker)
        {
            throw new InstanceStartException(
                $"Firecracker needs KVM, which does not work here: {problem}. Without it, QEMU runs virtual machines slowly: hypervisor = {{ type = \"microvm\", acpi = true }}") { IsHostsFault = true };
        }
        if (Interlocked.Exchange(ref _warned, 1) == 0) Interpreted(Logger, problem);
        return false;
    }

    /// <summary>
    /// Whether machines of a function can be snapshots: a disk that all write to and a folder that the host may change cannot be part of one, QEMU does not save a mounted 9p, the jailer's paths are each machine's own, and
    /// Firecracker finds a disk only where it was, which takes a view of files of its own.
    /// </summary>
    public bool KeepsSnapshots(VmSpec spec) => _noNamespaces is null && spec.Snapshot && spec.Hypervisor switch
    {
        Hypervisor.Firecracker { CopyRootfs: false } or Hypervisor.Firecracker { Jailer: true } => false,
        Hypervisor.Firecracker => Launcher.HasOwnView,
        _ => spec.Image is null || spec.Hypervisor.Disk == DiskType.Block,
    };

    /// <summary>There are no networks for snapshots on this host: machines boot.</summary>
    public void GiveUpSnapshots(string problem)
    {
        if (_noNamespaces is null) NoSnapshots(Logger, problem);
        _noNamespaces = problem;
    }

    /// <summary>The machine of a plan.</summary>
    /// <exception cref="InstanceStartException">Its hypervisor is not installed.</exception>
    public IMachine Create(VmPlan plan) => plan.Spec.Hypervisor switch
    {
        Hypervisor.Firecracker { Jailer: true } => new FirecrackerMachine(Program(_options.Firecracker), plan, new FirecrackerJail(Jailer(), Program(_options.Firecracker), plan), Time),
        Hypervisor.Firecracker => new FirecrackerMachine(Program(_options.Firecracker), plan, null, Time),
        _ => new QemuMachine(_options.Qemu ?? throw Missing("QEMU is not installed, and the function runs on it. Install it: apt-get install qemu-system-x86, or name it with --qemu"), plan),
    };

    /// <summary>The hypervisor of a function, by its path.</summary>
    public string? ProgramOf(Hypervisor hypervisor) => hypervisor is Hypervisor.Firecracker ? _options.Firecracker : _options.Qemu;

    /// <summary>Frees what a daemon that was killed has left.</summary>
    public void RemoveLeftovers()
    {
        try
        {
            foreach (var id in Folders.RemoveLeftovers()) Left(Logger, id);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            NotRemoved(Logger, failure.Message);
        }
    }

    /// <summary>Removes what is common to instances; they have gone.</summary>
    public async ValueTask DisposeAsync()
    {
        await Namespaces.DisposeAsync().ConfigureAwait(false);
        _probe?.Dispose();
        try
        {
            Folders.RemoveRoot();
        }
        catch (IOException)
        {
            // Another daemon has made a folder in it in between.
        }
    }

    private async Task<GuestNetwork> MakeNamespaceAsync() =>
        await GuestNetwork.MakeAsync(await Network.TakeAsync(CancellationToken.None).ConfigureAwait(false), Callbacks.Port, Network.Mtu, Time).ConfigureAwait(false);

    private string Jailer()
    {
        if (!Environment.IsPrivilegedProcess) throw Missing("Firecracker's jailer works for root only, which this daemon is not; remove `jailer`");
        return _options.Jailer ?? throw Missing("Firecracker's jailer is not installed; put it on PATH beside firecracker, or remove `jailer` to use Stint's own sandbox");
    }

    private static string Program(string? program) =>
        program ?? throw Missing("Firecracker is not installed, and the function runs on it. Put it on PATH, or name it with FIRECRACKER_EXE or --firecracker; or use QEMU: hypervisor = { type = \"microvm\" }");

    private static InstanceStartException Missing(string what) => new(what) { IsHostsFault = true };

    // Without QEMU there is nothing to probe with; Firecracker's own words will have to do.
    private async ValueTask<string?> ProbeAsync(CancellationToken cancellationToken)
    {
        if (Launcher.KvmProblem is { } missing) return missing;
        if (_probe is null) return null;
        var finding = await _probe.FindAsync(cancellationToken).ConfigureAwait(false);
        return finding.Works ? null : finding.Problem;
    }

    [LoggerMessage(270, LogLevel.Warning, "virtual machines are interpreted by QEMU, ten to fifty times slower than they could be, because KVM does not work here: {Problem}")]
    private static partial void Interpreted(ILogger logger, string problem);

    [LoggerMessage(271, LogLevel.Warning, "removed the folder of the virtual machine {Id}, which an earlier run left")]
    private static partial void Left(ILogger logger, string id);

    [LoggerMessage(272, LogLevel.Warning, "folders of virtual machines that an earlier run left could not be removed: {Problem}")]
    private static partial void NotRemoved(ILogger logger, string problem);

    [LoggerMessage(274, LogLevel.Warning, "virtual machines boot each time instead of resuming from a snapshot: {Problem}")]
    private static partial void NoSnapshots(ILogger logger, string problem);

    [LoggerMessage(275, LogLevel.Warning, "a network for a resumed virtual machine could not be made ahead: {Problem}")]
    private static partial void NotMade(ILogger logger, string problem);

    /// <summary>Something could not be freed.</summary>
    [LoggerMessage(273, LogLevel.Error, "left behind: {Problem}")]
    public static partial void Leftover(ILogger logger, string problem);
}
