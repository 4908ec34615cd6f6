using Stint.Backends.Vms.Kvm;

namespace Stint.Checks;

/// <summary>Whether QEMU runs a guest, interpreted: a kernel of 256 bytes that computes for a moment and ends.</summary>
internal sealed class QemuCheck : ICheck
{
    /// <summary>The name of the program.</summary>
    internal const string Program = "qemu-system-x86_64";

    // Computing takes a third of a second on an idle machine.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    public async Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        if ((scope.Qemu ?? Tool.Find(Program)) is not { } qemu) return Result(CheckStatus.Missing, "QEMU is not installed, so [vm] functions of the types qemu and microvm do not run.", Packages.Install("qemu-system-x86", "qemu-system-x86-core", "qemu-system-x86_64", "qemu-system-x86"));
        var version = (await Tool.RunAsync(scope, qemu, ["--version"], cancellationToken)).Output.Split('\n')[0];
        var problem = await BootAsync(scope, qemu, ["-accel", "tcg"], Limit, cancellationToken);
        return problem is null
            ? Result(CheckStatus.Fine, $"{version} boots a guest.", null)
            : Result(CheckStatus.Missing, $"{version} does not boot a guest: {problem}", "See QEMU's words; a microvm needs QEMU 4.2 or newer.");
    }

    /// <summary>Boots the tiny guest.</summary>
    /// <returns>Null when it came to its end, else what happened instead.</returns>
    internal static async Task<string?> BootAsync(CheckScope scope, string qemu, IReadOnlyList<string> accelerator, TimeSpan limit, CancellationToken cancellationToken)
    {
        var guest = Path.Combine(Path.GetTempPath(), $"stint-guest-{Guid.NewGuid():N}");
        try
        {
            await File.WriteAllBytesAsync(guest, ProbeGuest.Elf(), cancellationToken);
            string[] arguments =
            [
                "-M", "microvm", .. accelerator, "-cpu", "max", "-m", "16", "-kernel", guest, "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-display", "none", "-no-user-config", "-nodefaults", "-no-reboot",
            ];
            var ended = await Tool.RunAsync(scope, qemu, arguments, cancellationToken, limit);
            return ended.ExitCode == ProbeGuest.Success ? null : ended.Complaint;
        }
        catch (IOException failure)
        {
            return failure.Message;
        }
        finally
        {
            File.Delete(guest);
        }
    }

    private static CheckResult Result(CheckStatus status, string found, string? cure) => new("qemu", status, found, cure, Concern.Comfort);
}
