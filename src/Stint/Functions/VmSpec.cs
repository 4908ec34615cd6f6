namespace Stint.Functions;

/// <summary><c>[vm]</c>: how a function runs as virtual machines, with UniFaaS's keys and a few of ours.</summary>
internal sealed record VmSpec
{
    /// <summary>What stands for the callback URL in <see cref="Cmdline"/>.</summary>
    public const string CallbackPlaceholder = "%callback";

    /// <summary><c>kernel</c>: a file of the function's folder, or an absolute path.</summary>
    public required string Kernel { get; init; }

    /// <summary><c>image</c>: the disk, or with <see cref="DiskType.NineP"/> the folder that the guest mounts. Null only when there is an <see cref="Initrd"/>.</summary>
    public string? Image { get; init; }

    /// <summary><c>initrd</c>: an initial file system in memory.</summary>
    public string? Initrd { get; init; }

    /// <summary><c>memory</c> (MiB): the guest's memory.</summary>
    public int MemoryMiB { get; init; } = 128;

    /// <summary><c>cpus</c>: processors of the guest, and what the host gives it at most.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary><c>cmdline</c>: the kernel's command line, in which <c>%ip</c>, <c>%gateway</c>, <c>%netmask</c> and <c>%callback</c> are filled in.</summary>
    public string Cmdline { get; init; } = "";

    /// <summary><c>hypervisor</c>.</summary>
    public Hypervisor Hypervisor { get; init; } = new Hypervisor.Firecracker();

    /// <summary><c>port</c>: where the guest serves HTTP.</summary>
    public int Port { get; init; } = 8080;

    /// <summary><c>overlay</c> (MiB): the image is attached read-only and shared, and an empty second disk of this size takes what the guest writes; zero = none.</summary>
    public int OverlayMiB { get; init; }

    /// <summary><c>snapshot</c>: instances after the first resume from a snapshot of one that was ready, where that is possible.</summary>
    public bool Snapshot { get; init; } = true;

    /// <summary><c>on-resume</c>: a path of the guest that is asked when an instance has resumed, before its first call; null = none.</summary>
    public string? OnResume { get; init; }

    /// <summary>Whether the guest says by itself that it is ready; otherwise it is ready when its port accepts.</summary>
    public bool CallsBack => Cmdline.Contains(CallbackPlaceholder, StringComparison.Ordinal);

    /// <summary>Memory of the host that the hypervisor itself needs beside the guest's, MiB: measured, with room to spare. Counted in the host's budget.</summary>
    public int OverheadMiB => Hypervisor is Hypervisor.Firecracker ? 16 : 64;
}

/// <summary><c>hypervisor = { type = … }</c>: the program that runs a virtual machine, and its switches.</summary>
internal abstract record Hypervisor
{
    private Hypervisor() { }

    /// <summary>How the guest reaches <see cref="VmSpec.Image"/>.</summary>
    public virtual DiskType Disk => DiskType.Block;

    /// <summary><c>"firecracker"</c>.</summary>
    public sealed record Firecracker : Hypervisor
    {
        /// <summary><c>copy-rootfs</c>: each instance has its own copy of the image; otherwise all write to the file itself.</summary>
        public bool CopyRootfs { get; init; } = true;

        /// <summary><c>jailer</c>: start it through Firecracker's jailer in place of our own sandbox.</summary>
        public bool Jailer { get; init; }
    }

    /// <summary><c>"qemu"</c>: a PC.</summary>
    public sealed record Qemu : Hypervisor
    {
        /// <summary><c>disk-type</c>.</summary>
        public DiskType DiskType { get; init; }

        /// <inheritdoc/>
        public override DiskType Disk => DiskType;
    }

    /// <summary><c>"microvm"</c>: QEMU's machine without PCI. The defaults of its switches are UniFaaS's.</summary>
    public sealed record MicroVm : Hypervisor
    {
        /// <summary><c>disk-type</c>.</summary>
        public DiskType DiskType { get; init; }

        /// <summary><c>pic</c>: interrupt controllers of the PC (i8259).</summary>
        public bool Pic { get; init; }

        /// <summary><c>pit</c>: the timer of the PC (i8254).</summary>
        public bool Pit { get; init; }

        /// <summary><c>rtc</c>: the clock of the PC.</summary>
        public bool Rtc { get; init; }

        /// <summary><c>acpi</c>: devices are described by ACPI tables.</summary>
        public bool Acpi { get; init; }

        /// <summary><c>auto-kernel-cmdline</c>: devices are described on the kernel's command line (<c>virtio_mmio.device=…</c>), unless ACPI does that.</summary>
        public bool AutoKernelCmdline { get; init; } = true;

        /// <inheritdoc/>
        public override DiskType Disk => DiskType;
    }
}

/// <summary>How a guest reaches its image.</summary>
internal enum DiskType
{
    /// <summary><c>block</c>: a disk (virtio-blk).</summary>
    Block,

    /// <summary><c>9p</c>: a folder of the host (virtio-9p, mount tag <c>fs0</c>).</summary>
    NineP,
}
