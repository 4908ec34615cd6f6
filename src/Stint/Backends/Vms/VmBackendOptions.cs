using Stint.Hosting;

namespace Stint.Backends.Vms;

/// <summary>Where the VM backend keeps things and what it runs virtual machines with.</summary>
internal sealed record VmBackendOptions
{
    /// <summary>The folder of instances' folders, UniFaaS's <c>TMP/faas</c>; paths of sockets in it must fit into 107 bytes.</summary>
    public required string RunFolder { get; init; }

    /// <summary>The folder for what is kept: the probe's result, snapshots.</summary>
    public required string StateFolder { get; init; }

    /// <summary>QEMU for x86; null when there is none.</summary>
    public string? Qemu { get; init; }

    /// <summary>Firecracker; null when there is none.</summary>
    public string? Firecracker { get; init; }

    /// <summary>Firecracker's jailer; null when there is none.</summary>
    public string? Jailer { get; init; }

    /// <summary>Networks that are made ahead of their use.</summary>
    public int NetworkStock { get; init; } = 4;

    /// <summary>When to use KVM.</summary>
    public KvmUse Kvm { get; init; }

    /// <summary>What tells this daemon from others on the host, and is the same after a restart.</summary>
    public required string Daemon { get; init; }
}
