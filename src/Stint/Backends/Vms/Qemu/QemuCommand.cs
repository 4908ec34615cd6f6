using System.Globalization;
using Stint.Functions;
using Stint.Functions.Bundles;

namespace Stint.Backends.Vms.Qemu;

/// <summary>QEMU's command line: UniFaaS's options, and those that keep the machine in its walls and let us speak to it.</summary>
internal static class QemuCommand
{
    /// <summary>What the daemon listens on when QEMU starts.</summary>
    public const string MonitorName = "qmp.sock";

    /// <summary>The guest's own disk over the image.</summary>
    public const string DiskName = "rootfs.qcow2";

    /// <summary>The empty second disk.</summary>
    public const string OverlayName = "overlay.img";

    /// <summary>The guest's own folder, with 9p.</summary>
    public const string FolderName = "rootfs";

    /// <summary>Translated code of a guest that is interpreted, MiB. QEMU's default is a share of the host's memory.</summary>
    private const int TranslationMiB = 32;

    /// <summary>The program and its arguments.</summary>
    /// <param name="program">QEMU.</param>
    /// <param name="plan">The machine.</param>
    public static IReadOnlyList<string> For(string program, VmPlan plan)
    {
        var spec = plan.Spec;
        var isMicro = spec.Hypervisor is Hypervisor.MicroVm;
        // A microvm has no PCI; its devices are on virtio-mmio.
        var bus = isMicro ? "device" : "pci";
        var arguments = new List<string> { program, "-name", plan.Id };
        if (spec.Hypervisor is Hypervisor.MicroVm micro) arguments.AddRange(["-M", Machine(micro, plan.UsesKvm)]);
        arguments.AddRange(plan.UsesKvm ? ["-enable-kvm"] : ["-accel", string.Create(CultureInfo.InvariantCulture, $"tcg,tb-size={TranslationMiB}")]);
        arguments.AddRange(
        [
            // What the host's processors can do; UniFaaS takes QEMU's default, the first 64-bit AMD's.
            "-cpu", "max",
            "-serial", "stdio", "-display", "none", "-no-user-config", "-nographic", "-nodefaults", "-no-reboot",
            "-smp", spec.Cpus.ToString(CultureInfo.InvariantCulture),
            "-m", spec.MemoryMiB.ToString(CultureInfo.InvariantCulture),
            "-kernel", Path.Combine(plan.Bundle, VmFiles.Kernel),
            "-append", isMicro && !plan.UsesKvm ? InterpretedClock.AddTo(plan.CommandLine) : plan.CommandLine,
        ]);
        if (spec.Initrd is not null) arguments.AddRange(["-initrd", Path.Combine(plan.Bundle, VmFiles.Initrd)]);
        arguments.AddRange(["-netdev", $"tap,id=net0,ifname={plan.Tap},script=no,downscript=no", "-device", $"virtio-net-{bus},netdev=net0"]);
        if (spec.Image is not null) AddImage(arguments, plan, bus);
        arguments.AddRange(
        [
            "-chardev", $"socket,id=qmp,path={Escape(Path.Combine(plan.Folder, MonitorName))},server=off", "-mon", "chardev=qmp,mode=control",
            "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        ]);
        // Tells a Linux of 5.18 or newer, over ACPI, that it has resumed and needs other random numbers. A microvm cannot have it.
        if (plan.IsKept && !isMicro) arguments.AddRange(["-device", "vmgenid,guid=auto"]);
        if (plan.Resume is not null) arguments.AddRange(["-incoming", "defer"]);
        return arguments;
    }

    /// <summary>A value among comma-separated ones.</summary>
    internal static string Escape(string value) => value.Replace(",", ",,", StringComparison.Ordinal);

    private static void AddImage(List<string> arguments, VmPlan plan, string bus)
    {
        if (plan.Spec.Hypervisor.Disk == DiskType.NineP)
        {
            // UniFaaS's "passthrough" gives each file that a guest makes to the guest's user, which only root could do; "none" is the same without insisting.
            arguments.AddRange(["-fsdev", $"local,id=fs0,security_model=none,path={Escape(Path.Combine(plan.Folder, FolderName))}", "-device", $"virtio-9p-{bus},fsdev=fs0,mount_tag=fs0"]);
            return;
        }
        arguments.AddRange(["-drive", plan.Spec.OverlayMiB > 0
            ? $"id=root,if=none,format=raw,readonly=on,file={Escape(Path.Combine(plan.Bundle, VmFiles.Image))}"
            : $"id=root,if=none,format=qcow2,file={Escape(Path.Combine(plan.Folder, DiskName))}"]);
        arguments.AddRange(["-device", $"virtio-blk-{bus},drive=root"]);
        if (plan.Spec.OverlayMiB == 0) return;
        arguments.AddRange(["-drive", $"id=overlay,if=none,format=raw,file={Escape(Path.Combine(plan.Folder, OverlayName))}", "-device", $"virtio-blk-{bus},drive=overlay"]);
    }

    /// <summary>
    /// The machine's switches as configured. An interpreted Linux without ACPI finds the time by the timer of the PC alone, and waits for ever when that is not there: then it gets one, with the interrupt controller.
    /// </summary>
    private static string Machine(Hypervisor.MicroVm micro, bool usesKvm)
    {
        var needsTimer = !usesKvm && !micro.Acpi;
        return $"microvm,pic={On(micro.Pic || needsTimer)},pit={On(micro.Pit || needsTimer)},rtc={On(micro.Rtc)},acpi={On(micro.Acpi)},auto-kernel-cmdline={On(micro.AutoKernelCmdline)}";

        static string On(bool value) => value ? "on" : "off";
    }
}
