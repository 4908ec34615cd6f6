// Hypervisors run where functions' processes run, and for the same reason: a guest that breaks out of one finds itself as nobody's user without rights, in namespaces of its own, with the system calls of a function,
// and sees the machine's own files and nothing else. As a shell line, besides what Sandbox.cs does:
//
//   bwrap … --dev-bind /dev/net/tun … --dev-bind /dev/kvm … --bind TMP/faas/ID TMP/faas/ID --ro-bind BUNDLE BUNDLE … qemu-system-x86_64 …
//
// It shares the daemon's network namespace, or the one that its tap is in: a tap is opened by name in the namespace of whoever opens it.
using Stint.Backends.Processes;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Processes.Spawning;
using Stint.Backends.Vms.Kvm;
using Stint.Functions;

namespace Stint.Backends.Vms;

/// <summary>Starts hypervisors within walls.</summary>
internal sealed class HypervisorLauncher
{
    private const string TunDevice = "/dev/net/tun";

    // Disks and saved memory: RLIMIT_FSIZE is for functions. What a guest can write is bounded by its disks' sizes.
    private const int FileMiB = 1 << 24;
    private const int TmpMiB = 16;

    private readonly ProcessHost _host;
    private readonly TimeProvider _time;
    private readonly KvmDevice? _kvm;

    /// <param name="host">What processes share.</param>
    /// <param name="folder">A folder of the daemon's state.</param>
    /// <param name="time">For waits.</param>
    public HypervisorLauncher(ProcessHost host, string folder, TimeProvider time)
    {
        (_host, _time) = (host, time);
        try
        {
            Directory.CreateDirectory(folder);
            File.SetUnixFileMode(folder, HostPrograms.TraversableFolder);
            _kvm = KvmDevice.Open(folder, host.IsRoot && host.Sandbox is not null ? KvmGroup : null);
        }
        catch (IOException missing)
        {
            KvmProblem = missing.Message;
        }
    }

    /// <summary>Why hypervisors cannot open KVM; null when they can, which does not mean that it works.</summary>
    public string? KvmProblem { get; }

    /// <summary>Why nothing may run.</summary>
    public string? Refusal => _host.RefusesToRun ? _host.SandboxProblem : null;

    /// <summary>A user for a hypervisor, when the daemon is root. It goes back with the process.</summary>
    public int? TakeUser() => _host.TakeUser();

    /// <summary>A hypervisor's process; nothing is started yet.</summary>
    public SandboxedProcess Create(HypervisorPlan plan) =>
        new(_host, plan.Id, plan.Limits, process => _host.Sandbox is { } sandbox ? sandbox.Command(InSandbox(plan, process), plan.Output) : Plain(plan, process), _time) { User = plan.User };

    // The last number of the daemon's stretch would do as well; this one lies above all stretches.
    private static int KvmGroup => SandboxUsers.End;

    private SandboxPlan InSandbox(HypervisorPlan plan, SandboxedProcess process)
    {
        var devices = new List<SandboxMount>();
        if (plan.UsesTap) devices.Add(new(TunDevice, TunDevice));
        if (plan.UsesKvm && _kvm is not null) devices.Add(new(_kvm.Path, KvmDevice.UsualPath));
        return new SandboxPlan
        {
            Command = plan.Command(process.User),
            Mounts = plan.Mounts,
            Devices = devices,
            Groups = plan.UsesKvm && _kvm?.Group is { } group ? [group] : [],
            Network = plan.UsesTap ? NetworkAccess.Host : NetworkAccess.None,
            Environment = plan.Environment,
            TmpMiB = TmpMiB,
            FileMiB = FileMiB,
            User = process.User,
            JoinFiles = process.JoinFiles,
        };
    }

    // --isolation none: limits where the host has control groups. It still dies with the daemon.
    private static SpawnRequest Plain(HypervisorPlan plan, SandboxedProcess process)
    {
        var preamble = Sandbox.Preamble(new SandboxPlan { Command = [], Mounts = [], TmpMiB = TmpMiB, FileMiB = FileMiB, JoinFiles = process.JoinFiles });
        var setpriv = HostPrograms.Find("setpriv") ?? throw new InstanceStartException("setpriv is not installed. Install it: apt-get install util-linux") { IsHostsFault = true };
        return new SpawnRequest
        {
            Executable = "/bin/sh",
            Arguments = ["sh", "-c", preamble, "sh", setpriv, "--pdeathsig", "KILL", "--", .. plan.Command(null)],
            Environment = [.. plan.Environment.Select(static variable => $"{variable.Key}={variable.Value}")],
            Output = plan.Output,
        };
    }
}

/// <summary>What of a hypervisor's process depends on the machine.</summary>
internal sealed record HypervisorPlan
{
    /// <summary>Names the instance.</summary>
    public required string Id { get; init; }

    /// <summary>The program and its arguments, for a user number.</summary>
    public required Func<int?, IReadOnlyList<string>> Command { get; init; }

    /// <summary>What it sees of the host's files, besides programs and libraries.</summary>
    public required IReadOnlyList<SandboxMount> Mounts { get; init; }

    /// <summary>Its environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string> { ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin" };

    /// <summary>Whether it opens a tap.</summary>
    public bool UsesTap { get; init; }

    /// <summary>Whether it opens KVM.</summary>
    public bool UsesKvm { get; init; }

    /// <summary>The user that was taken for it; null: one is taken when it starts.</summary>
    public int? User { get; init; }

    /// <summary>What it may use.</summary>
    public required InstanceLimits Limits { get; init; }

    /// <summary>Takes what it prints.</summary>
    public required OutputSink Output { get; init; }
}
