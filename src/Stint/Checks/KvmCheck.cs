using Stint.Backends.Vms;

namespace Stint.Checks;

/// <summary>Whether KVM runs a guest. That <c>/dev/kvm</c> opens is not enough: within a virtual machine it may emulate each instruction, a million times slower than it should.</summary>
internal sealed class KvmCheck : ICheck
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(4);

    /// <inheritdoc/>
    public async Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        const string without = "QEMU interprets guests, ten to fifty times slower, and Firecracker does not run";
        if (!File.Exists(HostDevice.Kvm)) return Result($"there is no {HostDevice.Kvm}: {without}.", "Switch virtualization on in the firmware; then modprobe kvm_intel or kvm_amd. In a virtual machine: nested virtualization; in a container: --device /dev/kvm");
        if ((scope.Qemu ?? Tool.Find(QemuCheck.Program)) is not { } qemu) return Result($"{HostDevice.Kvm} is there; whether it works is tried with QEMU, which is not installed.", null);
        return await QemuCheck.BootAsync(scope, qemu, ["-enable-kvm"], Limit, cancellationToken) is { } problem
            ? Result($"{HostDevice.Kvm} is there but runs no guest ({problem}): {without}.", "On a host of one's own: kernel modules kvm_intel or kvm_amd. In a virtual machine: ask for nested virtualization")
            : new CheckResult("kvm", CheckStatus.Fine, "KVM runs a guest.", null, Concern.Comfort);
    }

    private static CheckResult Result(string found, string? cure) => new("kvm", CheckStatus.Degraded, found, cure, Concern.Comfort);
}
