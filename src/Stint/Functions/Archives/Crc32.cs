namespace Stint.Functions.Archives;

/// <summary>
/// The checksum of zip entries (APPNOTE 4.4.7: CRC-32 as of ISO 3309, polynomial 0xEDB88320 reflected). <see cref="System.IO.Compression.ZipArchive"/> does not check it,
/// and cuts an entry at the size its header claims: without this check a damaged or lying archive would be deployed truncated.
/// </summary>
internal static class Crc32
{
    private static readonly uint[] Table = MakeTable();

    /// <summary>The checksum of what came before (0 at first) and <paramref name="bytes"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        crc = ~crc;
        foreach (var b in bytes) crc = Table[(byte)(crc ^ b)] ^ (crc >> 8);
        return ~crc;
    }

    private static uint[] MakeTable()
    {
        var table = new uint[256];
        for (var i = 0u; i < table.Length; i++)
        {
            var value = i;
            for (var bit = 0; bit < 8; bit++) value = (value & 1) != 0 ? (value >> 1) ^ 0xEDB88320 : value >> 1;
            table[i] = value;
        }
        return table;
    }
}
