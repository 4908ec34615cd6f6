using System.Text.RegularExpressions;

namespace Stint.Backends.Containers.Images;

/// <summary>Which shared libraries programs of this host load.</summary>
internal static partial class SharedLibraries
{
    // Arguments of one ldd; far below the kernel's limit.
    private const int Batch = 200;

    private static readonly byte[] ElfMagic = [0x7f, (byte)'E', (byte)'L', (byte)'F'];

    // Loaded by name when they are needed, so that nothing links to them: names over DNS, and the unwinder that ending a thread takes.
    private static readonly string[] LoadedLater = ["libgcc_s.so.1", "libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];

    /// <summary>The libraries of all programs and libraries among the files, and theirs in turn: absolute paths as the loader finds them.</summary>
    /// <exception cref="IOException">This host has no <c>ldd</c>.</exception>
    public static async Task<IReadOnlyCollection<string>> OfAsync(IEnumerable<string> files, CancellationToken cancellationToken)
    {
        var libraries = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var batch in files.Where(IsElf).Chunk(Batch))
        {
            // ldd ends with 1 when one of its arguments is a static program.
            var output = await HostCommand.OutputAsync("ldd", batch, cancellationToken).ConfigureAwait(false);
            foreach (Match match in Line().Matches(output)) libraries.Add(match.Groups[1].Value);
        }
        if (libraries.FirstOrDefault(static path => Path.GetFileName(path).StartsWith("libc.so", StringComparison.Ordinal)) is { } libc)
            libraries.UnionWith(LoadedLater.Select(name => Path.Combine(Path.GetDirectoryName(libc)!, name)).Where(File.Exists));
        return libraries;
    }

    /// <summary>Where the loader finds libraries that programs load by name; one that this host lacks is passed over.</summary>
    /// <param name="names">Such as <c>libssl.so.3</c>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">This host has no <c>ldconfig</c>.</exception>
    public static async Task<IReadOnlyList<string>> FindAsync(IReadOnlyCollection<string> names, CancellationToken cancellationToken)
    {
        // "	libz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1", the host's own kind before others
        var known = (await HostCommand.OutputAsync("/sbin/ldconfig", ["-p"], cancellationToken).ConfigureAwait(false)).Split('\n')
            .Select(static line => line.Split([" (", " => "], StringSplitOptions.TrimEntries)).Where(static parts => parts.Length == 3).ToLookup(static parts => parts[0], static parts => parts[2]);
        return [.. names.Select(name => known[name].FirstOrDefault()).OfType<string>()];
    }

    private static bool IsElf(string path)
    {
        Span<byte> head = stackalloc byte[4];
        using var file = File.OpenRead(path);
        return file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) == head.Length && head.SequenceEqual(ElfMagic);
    }

    // "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)" and "/lib64/ld-linux-x86-64.so.2 (0x…)"
    [GeneratedRegex(@"^\s+(?:\S+ => )?(/\S+) \(0x", RegexOptions.Multiline)]
    private static partial Regex Line();
}
