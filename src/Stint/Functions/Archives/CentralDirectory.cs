using System.Buffers.Binary;

namespace Stint.Functions.Archives;

/// <summary>
/// Counts a zip's entries before <see cref="System.IO.Compression.ZipArchive"/> sees it: that class reads the whole central directory into objects first, so an
/// archive of some hundred MiB of nothing but headers would cost the daemon gigabytes. Layout: PKWARE APPNOTE.TXT 4.3.12 (central header), 4.3.14 to 4.3.16 (ends).
/// </summary>
internal static class CentralDirectory
{
    private const uint HeaderSignature = 0x02014b50;
    private const uint EndSignature = 0x06054b50;
    private const uint Zip64EndSignature = 0x06064b50;
    private const uint Zip64LocatorSignature = 0x07064b50;
    private const int HeaderSize = 46;
    private const int EndSize = 22;
    private const int LocatorSize = 20;
    private const int MaxComment = ushort.MaxValue;

    /// <summary>The number of entries, at most <paramref name="limit"/> + 1. Leaves the position anywhere.</summary>
    /// <exception cref="ArchiveRejectedException">This is no zip.</exception>
    public static int Count(Stream zip, int limit)
    {
        var position = FindDirectory(zip);
        Span<byte> header = stackalloc byte[HeaderSize];
        for (var count = 0; count <= limit; count++)
        {
            if (!TryRead(zip, position, header) || BinaryPrimitives.ReadUInt32LittleEndian(header) != HeaderSignature) return count;
            position += HeaderSize + UInt16(header, 28) + UInt16(header, 30) + UInt16(header, 32);
        }
        return limit + 1;
    }

    private static long FindDirectory(Stream zip)
    {
        var tail = new byte[(int)Math.Min(zip.Length, EndSize + MaxComment)];
        var start = zip.Length - tail.Length;
        zip.Position = start;
        zip.ReadExactly(tail);
        var end = tail.Length - EndSize;
        while (end >= 0 && BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(end)) != EndSignature) end--;
        if (end < 0) throw NotAZip();

        var offset = (long)BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(end + 16));
        return offset == uint.MaxValue ? FindZip64Directory(zip, start + end) : offset;
    }

    private static long FindZip64Directory(Stream zip, long end)
    {
        Span<byte> locator = stackalloc byte[LocatorSize];
        if (!TryRead(zip, end - LocatorSize, locator) || BinaryPrimitives.ReadUInt32LittleEndian(locator) != Zip64LocatorSignature) throw NotAZip();
        Span<byte> record = stackalloc byte[56];
        var at = BinaryPrimitives.ReadInt64LittleEndian(locator[8..]);
        if (!TryRead(zip, at, record) || BinaryPrimitives.ReadUInt32LittleEndian(record) != Zip64EndSignature) throw NotAZip();
        return BinaryPrimitives.ReadInt64LittleEndian(record[48..]);
    }

    private static bool TryRead(Stream zip, long position, Span<byte> into)
    {
        if (position < 0 || position > zip.Length - into.Length) return false;
        zip.Position = position;
        zip.ReadExactly(into);
        return true;
    }

    private static int UInt16(ReadOnlySpan<byte> header, int at) => BinaryPrimitives.ReadUInt16LittleEndian(header[at..]);

    /// <summary>The refusal of bytes that are no zip at all.</summary>
    public static ArchiveRejectedException NotAZip(Exception? inner = null) =>
        new("archive rejected: this is not a zip file, or it is damaged; make it with `zip -r fn.zip .` in the function's folder", inner);
}
