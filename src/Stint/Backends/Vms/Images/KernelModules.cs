using System.IO.Compression;
using System.Text;

namespace Stint.Backends.Vms.Images;

/// <summary>The modules of a kernel that a guest needs, each behind those that it depends on.</summary>
internal static class KernelModules
{
    // Network card, disk and 9p share of every hypervisor's virtio, over PCI (QEMU) and MMIO (microvm, Firecracker).
    private static readonly string[] Wanted = ["virtio_pci", "virtio_mmio", "virtio_net", "virtio_blk", "ext4", "9pnet_virtio", "9p", "virtio_rng"];

    /// <summary>The modules to load, in order; those that are built in or that the kernel does not have are not among them.</summary>
    /// <exception cref="VmImageException">The kernel has no driver for a guest's disk or network.</exception>
    public static async Task<IReadOnlyList<KernelModule>> SelectAsync(GuestKernel kernel, CancellationToken cancellationToken)
    {
        // Without its modules there is no knowing: the kernel is taken at its word that it needs none.
        if (kernel.Modules is not { } folder) return [];
        var files = Index(folder);
        var builtIn = BuiltIn(folder);
        foreach (var (drivers, purpose) in ((string[], string)[])[(["virtio_net"], "network cards"), (["virtio_blk", "9p"], "disks"), (["virtio_pci", "virtio_mmio"], "virtio devices")])
            if (!drivers.Any(driver => files.ContainsKey(driver) || builtIn.Contains(driver)))
                throw new VmImageException($"the kernel {kernel.Version} has no driver for a guest's {purpose}: {string.Join(", ", drivers)} is neither in {folder} nor built in. Name another with --kernel and --modules");
        var selected = new List<KernelModule>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in Wanted) await AddAsync(name).ConfigureAwait(false);
        return selected;

        async Task AddAsync(string name)
        {
            if (!files.TryGetValue(name, out var file) || !seen.Add(name)) return;
            var content = await ReadAsync(file, cancellationToken).ConfigureAwait(false);
            foreach (var needed in Depends(content)) await AddAsync(needed).ConfigureAwait(false);
            selected.Add(new KernelModule(name, content));
        }
    }

    private static Dictionary<string, string> Index(string folder)
    {
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        // "build" and "source" are links to the kernel's source.
        foreach (var file in Directory.EnumerateFiles(folder, "*.ko*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }).Order(StringComparer.Ordinal))
            files.TryAdd(NameOf(file), file);
        return files;
    }

    private static HashSet<string> BuiltIn(string folder)
    {
        var list = Path.Combine(folder, "modules.builtin");
        return File.Exists(list) ? [.. File.ReadLines(list).Select(NameOf)] : [];
    }

    // kernel/drivers/virtio/virtio-rng.ko.xz is the module virtio_rng.
    private static string NameOf(string path) => Path.GetFileName(path).Split('.')[0].Replace('-', '_');

    private static async Task<byte[]> ReadAsync(string file, CancellationToken cancellationToken)
    {
        var content = await File.ReadAllBytesAsync(file, cancellationToken).ConfigureAwait(false);
        switch (Path.GetExtension(file))
        {
            case ".gz":
                using (var unpacked = new MemoryStream())
                {
                    await using var gzip = new GZipStream(new MemoryStream(content), CompressionMode.Decompress);
                    await gzip.CopyToAsync(unpacked, cancellationToken).ConfigureAwait(false);
                    return unpacked.ToArray();
                }
            case ".xz": return await HostFilter.RunAsync("xz", ["-dc"], content, cancellationToken).ConfigureAwait(false);
            case ".zst": return await HostFilter.RunAsync("zstd", ["-dc"], content, cancellationToken).ConfigureAwait(false);
            default: return content;
        }
    }

    // .modinfo is made of NUL-ended texts, one of them "depends=virtio,virtio_ring". modules.dep says the same, but is only there once depmod has run.
    private static string[] Depends(ReadOnlySpan<byte> module)
    {
        var mark = "\0depends="u8;
        var at = module.IndexOf(mark);
        if (at < 0) return [];
        var text = module[(at + mark.Length)..];
        var end = text.IndexOf((byte)0);
        return end <= 0 ? [] : Encoding.ASCII.GetString(text[..end]).Split(',').Select(static name => name.Replace('-', '_')).ToArray();
    }
}

/// <summary>A module.</summary>
/// <param name="Name">Its name, as <c>lsmod</c> shows it.</param>
/// <param name="Content">The unpacked <c>.ko</c> file.</param>
internal sealed record KernelModule(string Name, byte[] Content);
