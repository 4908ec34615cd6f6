using System.Globalization;
using Stint.Backends.Processes.Sandboxing;

namespace Stint.Backends.Vms.Images;

/// <summary>The guest's first file system: busybox, our init, and the modules of the kernel. It is not packed: a guest has it in place sooner than it could unpack it.</summary>
internal static class InitramfsFile
{
    // Those that runtimes/guest/init uses; a test compares.
    private static readonly string[] Applets = ["sh", "mount", "stty", "insmod", "cat", "usleep", "ifconfig", "hostname", "route", "grep", "mkdir", "chroot", "reboot"];

    private static readonly string[] Folders = ["bin", "dev", "proc", "sys", "root", "modules"];

    /// <summary>Writes it.</summary>
    /// <param name="target">The file to write.</param>
    /// <param name="init">The file of our init.</param>
    /// <param name="modules">In the order in which they are loaded.</param>
    /// <exception cref="VmImageException">This host has no busybox that runs alone.</exception>
    public static void Write(string target, string init, IReadOnlyList<KernelModule> modules)
    {
        var busybox = File.ReadAllBytes(FindBusybox());
        using var stream = File.Create(target);
        var archive = new CpioWriter(stream);
        foreach (var folder in Folders) archive.AddFolder(folder);
        // The kernel opens it before init can mount anything.
        archive.AddDevice("dev/console", 5, 1);
        archive.AddFile("bin/busybox", busybox, isExecutable: true);
        foreach (var applet in Applets) archive.AddLink($"bin/{applet}", "busybox");
        archive.AddFile("init", File.ReadAllBytes(init), isExecutable: true);
        foreach (var (index, module) in modules.Index()) archive.AddFile(string.Create(CultureInfo.InvariantCulture, $"modules/{index:00}-{module.Name}.ko"), module.Content);
        archive.End();
    }

    private static string FindBusybox()
    {
        var missing = "the guest's init needs a busybox without shared libraries. Install it: apt-get install busybox-static";
        var path = HostPrograms.Find("busybox") ?? throw new VmImageException($"this host has no busybox: {missing}");
        // A program that needs the dynamic linker names it (ELF's PT_INTERP).
        return IsStatic(File.ReadAllBytes(path)) ? path : throw new VmImageException($"{path} needs shared libraries: {missing}");
    }

    private static bool IsStatic(ReadOnlySpan<byte> program)
    {
        const int interpreter = 3;
        if (!program.StartsWith("\u007fELF"u8) || program.Length < 64) return false;
        // ELF-64 object file format, figures 2 and 14: e_phoff, e_phentsize, e_phnum; p_type.
        var at = System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(program[32..]);
        int size = System.Buffers.Binary.BinaryPrimitives.ReadUInt16LittleEndian(program[54..]), count = System.Buffers.Binary.BinaryPrimitives.ReadUInt16LittleEndian(program[56..]);
        for (var i = 0; i < count && at + size <= program.Length; i++, at += size)
            if (System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(program[(int)at..]) == interpreter) return false;
        return true;
    }
}
