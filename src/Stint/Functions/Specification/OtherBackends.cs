using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>Owner of keys that are checked but mean nothing yet.</summary>
internal readonly record struct Unread;

/// <summary>
/// The backends that this version does not run, with UniFaaS's keys: its files are checked to the end, so that a typing error in one shows before the backend is there.
/// Of <c>[wasm]</c> nothing is known yet; its keys are not looked at.
/// </summary>
internal static class OtherBackends
{
    /// <summary>Their tables' names.</summary>
    public static IReadOnlyList<string> Names { get; } = ["vm", "wasm"];

    /// <summary>Keys of <c>[vm]</c>.</summary>
    public static Section<Unread> Vm { get; } = new("vm",
    [
        Text("kernel", "The kernel, a file of the function's folder or an absolute path.", isRequired: true),
        Text("image", "The disk image, likewise.", isRequired: true),
        Text("initrd", "An initramfs for the kernel, likewise."),
        Number("memory", 128, " (MiB)", "Memory of one instance."),
        Number("cpus", 1, "", "Processors of one instance."),
        Text("cmdline", "The kernel's command line; `%ip`, `%gateway`, `%netmask` and `%callback` are filled in."),
        new Setting<Unread, string>("hypervisor", new HypervisorKind(), _ => null, (s, _) => s, default, "The hypervisor and its switches."),
    ]);

    /// <summary>Checks the table of such a backend.</summary>
    public static void Check(TomlEntry backend, bool isComplete, Report report)
    {
        if (backend is not { Key: "vm", Value: TomlTable table }) return;
        Vm.Read(table, default, report);
        if (isComplete) Vm.Demand(table, backend.Position, report);
    }

    private static Setting<Unread, string> Text(string name, string help, bool isRequired = false) =>
        new(name, new TextKind(), _ => null, (s, _) => s, default, help) { IsRequired = isRequired };

    private static Setting<Unread, int> Number(string name, int usual, string unit, string help) =>
        new(name, new IntegerKind(1, 1_048_576, unit), _ => usual, (s, _) => s, default, help);

    private static Setting<Unread, bool> Switch(string name, bool usual, string help) => new(name, new BooleanKind(), _ => usual, (s, _) => s, default, help);

    /// <summary><c>{ type = "firecracker", … }</c>: which switches there are depends on the type.</summary>
    private sealed class HypervisorKind : ValueKind<string>
    {
        private static readonly WordKind<string> Types = new(("firecracker", "firecracker"), ("qemu", "qemu"), ("microvm", "microvm"));
        private static readonly Setting<Unread, string> Type = new("type", Types, _ => null, (s, _) => s, default, "") { IsRequired = true };
        private static readonly Setting<Unread, string> Disk = new("disk-type", new WordKind<string>(("block", "block"), ("9p", "9p")), _ => null, (s, _) => s, default, "");
        private static readonly string[] MicroVmSwitches = ["pic", "pit", "rtc", "acpi", "auto-kernel-cmdline"];

        public override string Description => "a table with `type` \"firecracker\" (and `copy-rootfs`), \"qemu\" (`disk-type`) or \"microvm\" (`disk-type`, `pic`, `pit`, `rtc`, `acpi`, `auto-kernel-cmdline`)";

        public override string? Read(TomlValue value, Report report)
        {
            if (value is not TomlTable table || !table.TryGet("type", out var type)) return Refuse(value, report);
            IReadOnlyList<Setting<Unread>> switches = type.Value is TomlString text ? text.Value switch
            {
                "firecracker" => [Type, Switch("copy-rootfs", true, "")],
                "qemu" => [Type, Disk],
                "microvm" => [Type, Disk, .. MicroVmSwitches.Select(s => Switch(s, false, ""))],
                _ => [],
            } : [];
            if (switches.Count == 0) Types.Read(type.Value, (position, message) => report(position, $"type {message}"));
            else new Section<Unread>("hypervisor", switches).Read(table, default, (position, message) => report(position, $"is wrong: {message}"));
            return null;
        }

        public override TomlValue Write(string value) => new TomlString(value);
    }
}
