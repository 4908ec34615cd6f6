namespace Stint.Backends.Vms.Snapshots;

/// <summary>A machine that was ready, on disk. Its files are the daemon's; hypervisors read them, and nothing changes them once they are there.</summary>
/// <param name="Folder">Where they are.</param>
internal sealed record VmSnapshot(string Folder)
{
    /// <summary>The devices' state; with QEMU the memory as well.</summary>
    public string State => Path.Combine(Folder, "state");

    /// <summary>The memory, with Firecracker.</summary>
    public string Memory => Path.Combine(Folder, "memory");

    /// <summary>The guest's own disk, or second disk, as it was then; there may be none.</summary>
    public string Disk => Path.Combine(Folder, "disk");

    /// <summary>A text with the folder that the machine had: what its hypervisor has remembered lies there.</summary>
    public string Home => Path.Combine(Folder, "home");
}
