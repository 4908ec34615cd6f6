using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Stint.Functions.Bundles;

/// <summary>Identities by content, in lower-case hex of SHA-256.</summary>
internal static class BundleHash
{
    /// <summary>Moves when bundles are made differently, so that those of an older daemon are not used.</summary>
    private const string Format = "stint-bundle 1";

    /// <summary>The identity of code: every path, executable bit, link and content.</summary>
    public static string OfCode(string folder, List<CodeEntry> entries, Runtime runtime)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{Format}\0{runtime}\0"));
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            foreach (var entry in entries)
            {
                var path = Path.Combine(folder, entry.Path);
                var target = entry.Stat.IsLink ? new FileInfo(path).LinkTarget : null;
                hash.AppendData(CodeTree.Describe(entry, target, IsExecutable(entry, runtime)));
                if (!entry.Stat.IsFile) continue;
                using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
                for (int read; (read = file.Read(buffer)) > 0;) hash.AppendData(buffer, 0, read);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The identity of some texts in this order.</summary>
    public static string OfTexts(params ReadOnlySpan<string> texts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var text in texts)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            hash.AppendData(BitConverter.GetBytes(bytes.LongLength));
            hash.AppendData(bytes);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>
    /// A cheap sign of change: names, inodes, sizes and times, without reading a file. Equal marks mean that nothing was touched in between.
    /// Never throws; what cannot be read is part of the mark.
    /// </summary>
    public static string Mark(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        try
        {
            foreach (var (path, stat) in CodeTree.Walk(folder)) hash.AppendData(Encoding.UTF8.GetBytes($"{path}\0{stat.Mode},{stat.Inode},{(stat.IsFolder ? 0 : stat.Size)},{stat.Modified},{stat.Changed}\0"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(e.GetType().Name));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Whether the bundle's copy is executable: as it was, and fn.sh of a binary function always.</summary>
    public static bool IsExecutable(CodeEntry entry, Runtime runtime) =>
        entry.Stat.IsFile && (entry.Stat.IsExecutable || runtime == Runtime.Binary && entry.Path == Builds.CodeCheck.BinaryEntry);
}
