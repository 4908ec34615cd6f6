// Hypervisors run where functions' processes run, and for the same reason: a guest that breaks out of one finds itself as nobody's user without rights, in namespaces of its own, with the system calls of a function,
// and sees the machine's own files and nothing else. As a shell line, besides what Sandbox.cs does:
//
//   bwrap … --dev-bind /dev/net/tun … --dev-bind /dev/kvm … --bind TMP/faas/ID TMP/faas/ID --ro-bind BUNDLE BUNDLE … qemu-system-x86_64 …
//
// It shares the daemon's network namespace, or the one that its tap is in: a tap is opened by name in the namespace of whoever opens it.
using System.Runtime.InteropServices;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Processes.Spawning;
using Stint.Functions;

namespace Stint.Backends.Vms;

/// <summary>Starts hypervisors within walls.</summary>
internal sealed class HypervisorLauncher
{
    // Disks and saved memory: RLIMIT_FSIZE is for functions. What a guest can write is bounded by its disks' sizes.
    private const int FileMiB = 1 << 24;
    private const int TmpMiB = 16;

    private readonly ProcessHost _host;
    private readonly TimeProvider _time;
    private readonly HostDevice? _kvm;
    private readonly HostDevice? _tun;

    /// <param name="host">What processes share.</param>
    /// <param name="folder">A folder of the daemon's state.</param>
    /// <param name="time">For waits.</param>
    public HypervisorLauncher(ProcessHost host, string folder, TimeProvider time)
    {
        (_host, _time) = (host, time);
        int? group = host.IsRoot && host.Sandbox is not null ? SharedGroup : null;
        try
        {
            Directory.CreateDirectory(folder);
            File.SetUnixFileMode(folder, HostPrograms.TraversableFolder);
            _tun = HostDevice.Open(HostDevice.Tun, folder, group);
        }
        catch (IOException missing)
        {
            TapProblem = missing.Message;
        }
        try
        {
            _kvm = HostDevice.Open(HostDevice.Kvm, folder, group);
        }
        catch (IOException missing)
        {
            KvmProblem = $"{missing.Message}: either the processor has no virtualization, or it is off in the firmware, or the kernel's kvm module is not loaded";
        }
    }

    /// <summary>Why hypervisors cannot open taps; null when they can.</summary>
    public string? TapProblem { get; }

    /// <summary>Why hypervisors cannot open KVM; null when they can, which does not mean that it works.</summary>
    public string? KvmProblem { get; }

    /// <summary>Why nothing may run.</summary>
    public string? Refusal => _host.RefusesToRun ? _host.SandboxProblem : null;

    /// <summary>Whether hypervisors see files where we want them to.</summary>
    public bool HasOwnView => _host.Sandbox is not null;

    /// <summary>A user for a hypervisor, when the daemon is root. It goes back with the process.</summary>
    public int? TakeUser() => _host.TakeUser();

    /// <summary>Gives one back that no process was made for.</summary>
    public void ReturnUser(int? user)
    {
        if (user is { } number) _host.Users.Return(number);
    }

    /// <summary>A hypervisor's process; nothing is started yet.</summary>
    public SandboxedProcess Create(HypervisorPlan plan) => new(_host, plan.Id, plan.Limits, NetworkAccess.Host, process => Command(plan, process), _time) { User = plan.User };

    /// <summary>A group of hypervisors and of nobody else: for devices, and for disks that several share.</summary>
    // The last number of the daemon's stretch would do as well; this one lies above all stretches.
    public static int SharedGroup => SandboxUsers.End;

    private SpawnRequest Command(HypervisorPlan plan, SandboxedProcess process) => (plan, _host.Sandbox) switch
    {
        ({ IsJailed: true }, _) => Jailed(plan, process),
        (_, { } sandbox) => sandbox.Command(InSandbox(plan, process), plan.Output) with { Network = plan.Namespace },
        _ => Plain(plan, process),
    };

    private SandboxPlan InSandbox(HypervisorPlan plan, SandboxedProcess process)
    {
        HostDevice[] devices = [.. new[] { plan.UsesTap ? _tun : null, plan.UsesKvm ? _kvm : null }.OfType<HostDevice>()];
        return new SandboxPlan
        {
            Command = plan.Command(process.User),
            Mounts = plan.Mounts,
            Devices = [.. devices.Select(static device => new SandboxMount(device.Path, device.UsualPath))],
            Groups = [.. devices.Select(static device => device.Group).Append(plan.Group).OfType<int>().Distinct()],
            Network = plan.UsesTap ? NetworkAccess.Host : NetworkAccess.None,
            Environment = plan.Environment,
            TmpMiB = TmpMiB,
            FileMiB = FileMiB,
            User = process.User,
            JoinFiles = process.JoinFiles,
        };
    }

    // --isolation none: limits where the host has control groups. It still dies with the daemon.
    private static SpawnRequest Plain(HypervisorPlan plan, SandboxedProcess process) => Behind([Required("setpriv", "util-linux"), "--pdeathsig", "KILL", "--"], plan, process);

    // The jailer is root and makes its own walls; becoming an ordinary user, it loses the signal that ends it with the daemon. Bubblewrap keeps that, and a namespace of processes that ends with it, and nothing else.
    private static SpawnRequest Jailed(HypervisorPlan plan, SandboxedProcess process) =>
        Behind([Required("bwrap", "bubblewrap"), "--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--die-with-parent", "--cap-add", "ALL", "--"], plan, process);

    private static string Required(string program, string package) =>
        HostPrograms.Find(program) ?? throw new InstanceStartException($"{program} is not installed. Install it: apt-get install {package}") { IsHostsFault = true };

    private static SpawnRequest Behind(IReadOnlyList<string> before, HypervisorPlan plan, SandboxedProcess process)
    {
        var preamble = Sandbox.Preamble(new SandboxPlan { Command = [], Mounts = [], TmpMiB = TmpMiB, FileMiB = FileMiB, JoinFiles = process.JoinFiles });
        return new SpawnRequest
        {
            Executable = "/bin/sh",
            Arguments = ["sh", "-c", preamble, "sh", .. before, .. plan.Command(process.User)],
            Environment = [.. plan.Environment.Select(static variable => $"{variable.Key}={variable.Value}")],
            Network = plan.Namespace,
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

    /// <summary>The network namespace of the tap; null = the daemon's.</summary>
    public SafeHandle? Namespace { get; init; }

    /// <summary>Whether Firecracker's jailer makes the walls.</summary>
    public bool IsJailed { get; init; }

    /// <summary>Whether it opens KVM.</summary>
    public bool UsesKvm { get; init; }

    /// <summary>The user that was taken for it; null: one is taken when it starts.</summary>
    public int? User { get; init; }

    /// <summary>A group that it is in besides.</summary>
    public int? Group { get; init; }

    /// <summary>What it may use.</summary>
    public required InstanceLimits Limits { get; init; }

    /// <summary>Takes what it prints.</summary>
    public required OutputSink Output { get; init; }
}
