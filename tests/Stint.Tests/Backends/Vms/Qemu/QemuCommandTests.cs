using Stint.Backends.Vms;
using Stint.Backends.Vms.Qemu;
using Stint.Backends.Vms.Snapshots;
using Stint.Functions;

namespace Stint.Tests.Backends.Vms.Qemu;

/// <summary>QEMU's command lines: UniFaaS's options as the contract has them, and ours.</summary>
public sealed class QemuCommandTests
{
    private static VmPlan Plan(Hypervisor hypervisor, bool usesKvm = true) => new()
    {
        Id = "0123456789", Bundle = "/b", Folder = "/f,1", Tap = "faas3", CommandLine = "ip=1.2.3.4", UsesKvm = usesKvm,
        Spec = new VmSpec { Kernel = "k", Image = "i", MemoryMiB = 512, Cpus = 2, Hypervisor = hypervisor },
    };

    private static string Line(VmPlan plan) => string.Join(' ', QemuCommand.For("qemu", plan));

    [Fact]
    public void A_PC_with_KVM_has_UniFaaSs_options()
    {
        var line = Line(Plan(new Hypervisor.Qemu()));
        Assert.Contains("-enable-kvm", line, StringComparison.Ordinal);
        Assert.Contains("-serial stdio -display none -no-user-config -nographic -nodefaults -no-reboot -smp 2 -m 512 -kernel /b/kernel -append ip=1.2.3.4", line, StringComparison.Ordinal);
        Assert.Contains("-netdev tap,id=net0,ifname=faas3,script=no,downscript=no -device virtio-net-pci,netdev=net0", line, StringComparison.Ordinal);
        Assert.Contains("-drive id=root,if=none,format=qcow2,file=/f,,1/rootfs.qcow2 -device virtio-blk-pci,drive=root", line, StringComparison.Ordinal);
        Assert.DoesNotContain("-M ", line, StringComparison.Ordinal);
        Assert.DoesNotContain("-incoming", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_microvm_has_its_switches_and_devices_without_PCI()
    {
        var line = Line(Plan(new Hypervisor.MicroVm { DiskType = DiskType.NineP, Rtc = true }));
        Assert.Contains("-M microvm,pic=off,pit=off,rtc=on,acpi=off,auto-kernel-cmdline=on", line, StringComparison.Ordinal);
        Assert.Contains("-fsdev local,id=fs0,security_model=none,path=/f,,1/rootfs -device virtio-9p-device,fsdev=fs0,mount_tag=fs0", line, StringComparison.Ordinal);
        Assert.DoesNotContain("-pci", line, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_KVM_it_is_interpreted_and_a_microvm_has_a_clock_that_can_be_measured()
    {
        Assert.Contains("-accel tcg,tb-size=32", Line(Plan(new Hypervisor.Qemu(), usesKvm: false)), StringComparison.Ordinal);
        Assert.Contains("pic=on,pit=on", Line(Plan(new Hypervisor.MicroVm(), usesKvm: false)), StringComparison.Ordinal);
        Assert.Contains("pic=off,pit=off", Line(Plan(new Hypervisor.MicroVm { Acpi = true }, usesKvm: false)), StringComparison.Ordinal);
    }

    [Fact]
    public void Over_a_shared_image_lies_a_disk_of_ones_own()
    {
        var plan = Plan(new Hypervisor.Qemu());
        var line = Line(plan with { Spec = plan.Spec with { OverlayMiB = 5 } });
        Assert.Contains("-drive id=root,if=none,format=raw,readonly=on,file=/b/image -device virtio-blk-pci,drive=root", line, StringComparison.Ordinal);
        Assert.Contains("-drive id=overlay,if=none,format=raw,file=/f,,1/overlay.img -device virtio-blk-pci,drive=overlay", line, StringComparison.Ordinal);
    }

    [Fact]
    public void One_that_resumes_waits_for_its_state_and_a_PC_can_tell_its_guest()
    {
        var kept = Plan(new Hypervisor.Qemu()) with { IsKept = true, Resume = new VmSnapshot("/s") };
        Assert.EndsWith("-device vmgenid,guid=auto -incoming defer", Line(kept), StringComparison.Ordinal);
        Assert.DoesNotContain("vmgenid", Line(Plan(new Hypervisor.MicroVm()) with { IsKept = true }), StringComparison.Ordinal);
    }

    [Fact]
    public void The_process_may_start_no_others()
    {
        Assert.Contains("-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", Line(Plan(new Hypervisor.Qemu())), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cpu MHz\t\t: 2596.148", "2596148")]
    [InlineData("cpu MHz : 0.000", null)]
    [InlineData("cpu MHz : fast", null)]
    [InlineData("model name : x", null)]
    public void The_hosts_frequency_is_read_in_kHz(string line, string? expected) => Assert.Equal(expected, InterpretedClock.Find(["processor : 0", line, "cpu MHz : 1000.000"]) is { } found && (expected is not null || found != "1000000") ? found : null);

    [Fact]
    public void A_frequency_that_the_function_names_stays() => Assert.Equal("tsc_early_khz=5 quiet", InterpretedClock.AddTo("tsc_early_khz=5 quiet"));
}
