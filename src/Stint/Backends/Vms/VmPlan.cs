using Stint.Backends.Vms.Snapshots;
using Stint.Functions;

namespace Stint.Backends.Vms;

/// <summary>What one virtual machine is made of. Paths are the host's, and the same in its sandbox.</summary>
internal sealed record VmPlan
{
    /// <summary>Names the instance.</summary>
    public required string Id { get; init; }

    /// <summary>The function's keys.</summary>
    public required VmSpec Spec { get; init; }

    /// <summary>The folder with <c>kernel</c>, <c>image</c> and <c>initrd</c> as the version has them; read-only.</summary>
    public required string Bundle { get; init; }

    /// <summary>The instance's folder.</summary>
    public required string Folder { get; init; }

    /// <summary>The tap, in the network namespace in which the hypervisor runs.</summary>
    public required string Tap { get; init; }

    /// <summary>The kernel's command line, filled in.</summary>
    public required string CommandLine { get; init; }

    /// <summary>The host's user number of the hypervisor; null = the daemon's.</summary>
    public int? User { get; init; }

    /// <summary>Whether KVM runs the guest, else the hypervisor interprets it.</summary>
    public bool UsesKvm { get; init; }

    /// <summary>The machine that it is to become; null = it boots.</summary>
    public VmSnapshot? Resume { get; init; }

    /// <summary>Whether it may be written to disk and resume from there.</summary>
    public bool IsKept { get; init; }

    /// <summary>A folder in the instance's that the hypervisor may make files in.</summary>
    public string Scratch => Path.Combine(Folder, "run");
}
