using System.Globalization;

namespace Stint.Watchdog.Files;

/// <summary>A part of a file.</summary>
/// <param name="Start">First byte.</param>
/// <param name="Length">Number of bytes.</param>
internal readonly record struct ByteRange(long Start, long Length)
{
    /// <summary>Reads a Range field (RFC 9110 section 14.1.2): <c>bytes=first-[last]</c> or <c>bytes=-suffix</c>. More than one range, other units and nonsense mean the whole file, as the RFC allows.</summary>
    /// <returns>The part; null for the whole; a negative length when the file has no such part.</returns>
    public static ByteRange? Read(string field, long size)
    {
        if (!field.StartsWith("bytes=", StringComparison.OrdinalIgnoreCase) || field.Contains(',')) return null;
        var dash = field.IndexOf('-');
        if (dash < 0) return null;
        var (first, last) = (field[6..dash].Trim(), field[(dash + 1)..].Trim());
        if (first.Length == 0)
        {
            if (!TryRead(last, out var suffix)) return null;
            return suffix == 0 || size == 0 ? new(0, -1) : new(Math.Max(0, size - suffix), Math.Min(size, suffix));
        }
        var end = size - 1;
        if (!TryRead(first, out var start) || (last.Length > 0 && (!TryRead(last, out end) || end < start))) return null;
        return start >= size ? new(0, -1) : new(start, Math.Min(end, size - 1) - start + 1);
    }

    private static bool TryRead(string text, out long number) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
