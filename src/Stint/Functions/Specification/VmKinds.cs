using System.Text;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary><c>{ type = "firecracker", … }</c>: which switches there are depends on the type.</summary>
internal sealed class HypervisorKind : ValueKind<Hypervisor>
{
    private const string TypeKey = "type";
    private static readonly WordKind<DiskType> Disks = new(("block", DiskType.Block), ("9p", DiskType.NineP));
    private static readonly WordKind<string> Types = new(("firecracker", "firecracker"), ("qemu", "qemu"), ("microvm", "microvm"));

    private static readonly Section<Hypervisor.Firecracker> Firecracker = new("hypervisor",
    [
        Switch<Hypervisor.Firecracker>("copy-rootfs", new(), s => s.CopyRootfs, (s, v) => s with { CopyRootfs = v }),
        Switch<Hypervisor.Firecracker>("jailer", new(), s => s.Jailer, (s, v) => s with { Jailer = v }),
    ]);

    private static readonly Section<Hypervisor.Qemu> Qemu = new("hypervisor",
    [
        new Setting<Hypervisor.Qemu, DiskType>("disk-type", Disks, s => s.DiskType, (s, v) => s with { DiskType = v }, new(), ""),
    ]);

    private static readonly Section<Hypervisor.MicroVm> MicroVm = new("hypervisor",
    [
        new Setting<Hypervisor.MicroVm, DiskType>("disk-type", Disks, s => s.DiskType, (s, v) => s with { DiskType = v }, new(), ""),
        Switch<Hypervisor.MicroVm>("pic", new(), s => s.Pic, (s, v) => s with { Pic = v }),
        Switch<Hypervisor.MicroVm>("pit", new(), s => s.Pit, (s, v) => s with { Pit = v }),
        Switch<Hypervisor.MicroVm>("rtc", new(), s => s.Rtc, (s, v) => s with { Rtc = v }),
        Switch<Hypervisor.MicroVm>("acpi", new(), s => s.Acpi, (s, v) => s with { Acpi = v }),
        Switch<Hypervisor.MicroVm>("auto-kernel-cmdline", new(), s => s.AutoKernelCmdline, (s, v) => s with { AutoKernelCmdline = v }),
    ]);

    /// <inheritdoc/>
    public override string Description =>
        "a table with `type` \"firecracker\" (and `copy-rootfs`, `jailer`), \"qemu\" (`disk-type`) or \"microvm\" (`disk-type`, `pic`, `pit`, `rtc`, `acpi`, `auto-kernel-cmdline`)";

    /// <inheritdoc/>
    public override Hypervisor? Read(TomlValue value, Report report)
    {
        if (value is not TomlTable table || !table.TryGet(TypeKey, out var type)) return Refuse(value, report);
        var name = Types.Read(type.Value, (position, message) => report(position, $"type {message}"));
        return name switch
        {
            "firecracker" => Firecracker.Read(table, new(), IsWrong, [TypeKey]),
            "qemu" => Qemu.Read(table, new(), IsWrong, [TypeKey]),
            "microvm" => MicroVm.Read(table, new(), IsWrong, [TypeKey]),
            _ => null,
        };

        void IsWrong(TomlPosition position, string message) => report(position, $"is wrong: {message}");
    }

    /// <inheritdoc/>
    public override TomlValue Write(Hypervisor value)
    {
        var (type, switches) = value switch
        {
            Hypervisor.Firecracker firecracker => ("firecracker", Firecracker.Write(firecracker)),
            Hypervisor.Qemu qemu => ("qemu", Qemu.Write(qemu)),
            Hypervisor.MicroVm microVm => ("microvm", MicroVm.Write(microVm)),
            _ => throw new ArgumentException($"unknown hypervisor {value}", nameof(value)),
        };
        var table = new TomlTable();
        table.Add(TypeKey, new TomlString(type));
        foreach (var entry in switches) table.Add(entry.Key, entry.Value);
        return table;
    }

    private static Setting<TOwner, bool> Switch<TOwner>(string name, TOwner usual, Func<TOwner, bool> get, Func<TOwner, bool, TOwner> set) => new(name, new BooleanKind(), get, set, usual, "");
}

/// <summary>A kernel's command line: one line that x86 kernels have room for (COMMAND_LINE_SIZE, 2,048 bytes with the zero), less what addresses and the callback URL may add.</summary>
internal sealed class CmdlineKind : ValueKind<string>
{
    private const int MaxBytes = 1800;

    /// <inheritdoc/>
    public override string Description => "a text of one line, at most 1,800 bytes";

    /// <inheritdoc/>
    public override string? Read(TomlValue value, Report report) =>
        value is TomlString text && Encoding.UTF8.GetByteCount(text.Value) <= MaxBytes && !text.Value.Any(char.IsControl) ? text.Value : Refuse(value, report);

    /// <inheritdoc/>
    public override TomlValue Write(string value) => new TomlString(value);
}
