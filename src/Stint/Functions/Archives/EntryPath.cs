using System.Text;

namespace Stint.Functions.Archives;

/// <summary>
/// The path of an archive's entry, checked: relative, forward slashes, no way up. <c>./</c> prefixes and double slashes, which <c>zip</c> may write, are removed.
/// </summary>
/// <param name="Segments">The names between the slashes; empty for the root itself (<c>./</c>).</param>
/// <param name="IsFolder">The name ended with a slash.</param>
internal readonly record struct EntryPath(string[] Segments, bool IsFolder)
{
    /// <summary>The longest file name of Linux file systems, in bytes (NAME_MAX).</summary>
    private const int MaxSegmentBytes = 255;

    /// <summary>The path without its leading <c>./</c> and trailing slash.</summary>
    public string Text => string.Join('/', Segments);

    /// <summary>Reads an entry's name as the archive has it.</summary>
    /// <exception cref="ArchiveRejectedException">The name is hostile or unusable; each reason has its own message.</exception>
    public static EntryPath Parse(string name, int maxBytes)
    {
        if (name.Length == 0) throw Reject(name, "has an empty name");
        if (name.Contains('\0', StringComparison.Ordinal)) throw Reject(name, "has a NUL character in its name");
        if (name.Any(char.IsControl)) throw Reject(name, "has a control character in its name");
        if (name.Contains('\\', StringComparison.Ordinal)) throw Reject(name, "has a backslash in its name; paths in zips use forward slashes");
        if (name[0] == '/') throw Reject(name, "has an absolute path; only paths relative to the function's folder are allowed");
        if (name.Length > 1 && name[1] == ':' && char.IsAsciiLetter(name[0])) throw Reject(name, "begins with a drive letter");
        if (Encoding.UTF8.GetByteCount(name) > maxBytes) throw Reject(name, $"has a path longer than {maxBytes} bytes");

        var segments = new List<string>();
        foreach (var segment in name.Split('/'))
        {
            if (segment is "" or ".") continue;
            if (segment == "..") throw Reject(name, "leads out of the function's folder with \"..\"");
            if (Encoding.UTF8.GetByteCount(segment) > MaxSegmentBytes) throw Reject(name, $"has a file name longer than {MaxSegmentBytes} bytes");
            segments.Add(segment);
        }
        var isFolder = name[^1] == '/' || segments.Count == 0 || name.EndsWith("/.", StringComparison.Ordinal);
        return new EntryPath([.. segments], isFolder);
    }

    private static ArchiveRejectedException Reject(string name, string why) => new($"archive rejected: entry {ArchiveRejectedException.Show(name)} {why}");
}
