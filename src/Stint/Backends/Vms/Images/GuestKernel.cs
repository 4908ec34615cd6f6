using System.Buffers.Binary;
using System.Text;

namespace Stint.Backends.Vms.Images;

/// <summary>A Linux kernel for guests.</summary>
/// <param name="File">Absolute path of the kernel: a bzImage or an ELF file.</param>
/// <param name="Version">What <c>uname -r</c> says in it.</param>
/// <param name="Modules">Absolute path of the folder with its modules; null when there is none, then all drivers must be built in.</param>
internal sealed record GuestKernel(string File, string Version, string? Modules)
{
    // Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"
    private const int MagicAt = 0x202, VersionAt = 0x20E, VersionBase = 0x200;

    // The version's offset has 16 bits.
    private const int HeaderSize = 0x10000 + VersionBase + 256;

    /// <summary>Looks at a kernel's file.</summary>
    /// <param name="file">Its path.</param>
    /// <param name="modules">Its modules' folder; null = <c>/lib/modules/VERSION</c>, if that is there.</param>
    /// <exception cref="VmImageException">It is no kernel, or cannot be read.</exception>
    public static GuestKernel Open(string file, string? modules)
    {
        var version = ReadVersion(file) ?? throw new VmImageException($"{file} is no Linux kernel for x86-64: it must be a bzImage (vmlinuz) or an ELF file (vmlinux)");
        if (modules is not null && !Directory.Exists(modules)) throw new VmImageException($"there is no folder {modules} with the kernel's modules");
        var usual = Path.Combine("/lib/modules", version);
        return new GuestKernel(Path.GetFullPath(file), version, modules is not null ? Path.GetFullPath(modules) : Directory.Exists(usual) ? usual : null);
    }

    /// <summary>A kernel that is installed on this host with its modules: the running one if it can be read, else the newest. Null when there is none.</summary>
    public static GuestKernel? FindInstalled()
    {
        if (!Directory.Exists("/boot")) return null;
        var running = System.IO.File.Exists("/proc/sys/kernel/osrelease") ? System.IO.File.ReadAllText("/proc/sys/kernel/osrelease").Trim() : "";
        var files = new DirectoryInfo("/boot").EnumerateFiles("vmlinuz-*").OrderByDescending(file => file.Name == $"vmlinuz-{running}").ThenByDescending(static file => file.LastWriteTimeUtc);
        foreach (var file in files)
        {
            try
            {
                if (Open(file.FullName, null) is { Modules: not null } kernel) return kernel;
            }
            catch (VmImageException)
            {
                // Ubuntu's are root's alone; the next one may do.
            }
        }
        return null;
    }

    private static string? ReadVersion(string file)
    {
        try
        {
            using var stream = System.IO.File.OpenRead(file);
            var head = new byte[HeaderSize];
            var bytes = head.AsSpan(0, stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false));
            if (bytes.StartsWith("\u007fELF"u8)) return VersionInElf(stream);
            if (bytes.Length < VersionAt + 2 || !bytes[MagicAt..].StartsWith("HdrS"u8)) return null;
            var at = BinaryPrimitives.ReadUInt16LittleEndian(bytes[VersionAt..]) + VersionBase;
            return at > VersionBase && at < bytes.Length ? FirstWord(bytes[at..]) : null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new VmImageException($"the kernel {file} cannot be read: {problem.Message}", problem);
        }
    }

    // linux_banner: "Linux version 6.1.0-56-cloud-amd64 (debian-kernel@…) …"
    private static string? VersionInElf(FileStream stream)
    {
        var banner = "Linux version "u8;
        var buffer = new byte[1 << 20];
        var kept = 0;
        stream.Position = 0;
        while (stream.ReadAtLeast(buffer.AsSpan(kept), 1, throwOnEndOfStream: false) is > 0 and var read)
        {
            var bytes = buffer.AsSpan(0, kept + read);
            if (bytes.IndexOf(banner) is >= 0 and var at && bytes.Length - at > 256 && FirstWord(bytes[(at + banner.Length)..]) is { } version && char.IsAsciiDigit(version[0])) return version;
            kept = Math.Min(512, bytes.Length);
            bytes[^kept..].CopyTo(buffer);
        }
        return null;
    }

    // A version names folders: it must be nothing but a name.
    private static string? FirstWord(ReadOnlySpan<byte> text)
    {
        text = text[..Math.Min(text.Length, 128)];
        var end = text.IndexOfAny((byte)' ', (byte)0);
        if (end <= 0) return null;
        var word = Encoding.ASCII.GetString(text[..end]);
        return word.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '+' or '~') && word[0] != '.' ? word : null;
    }
}
