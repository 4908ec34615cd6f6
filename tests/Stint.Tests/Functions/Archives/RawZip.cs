using System.IO.Compression;
using System.Text;
using Stint.Functions.Archives;

namespace Stint.Tests.Functions.Archives;

/// <summary>Writes zips byte by byte, the ones too that no library would write (APPNOTE 4.3).</summary>
internal sealed class RawZip
{
    private readonly List<byte> _local = [];
    private readonly List<byte> _central = [];
    private int _count;

    public RawZip Add(string name, string text = "", int mode = 0x81A4, ushort flags = 0, bool deflate = false, uint? size = null, uint? crc = null) =>
        Add(name, Encoding.UTF8.GetBytes(text), mode, flags, deflate, size, crc);

    public RawZip Add(string name, byte[] content, int mode = 0x81A4, ushort flags = 0, bool deflate = false, uint? size = null, uint? crc = null)
    {
        var data = deflate ? Deflate(content) : content;
        var nameBytes = Encoding.UTF8.GetBytes(name);
        var offset = (uint)_local.Count;
        flags |= 0x800; // names are UTF-8
        void Common(BinaryWriter w)
        {
            w.Write((ushort)20);
            w.Write(flags);
            w.Write((ushort)(deflate ? 8 : 0));
            w.Write(0x58210000u); // 2024-01-01
            w.Write(crc ?? Crc32.Append(0, content));
            w.Write((uint)data.Length);
            w.Write(size ?? (uint)content.Length);
            w.Write((ushort)nameBytes.Length);
            w.Write((ushort)0);
        }
        _local.AddRange(Bytes(w =>
        {
            w.Write(0x04034b50u);
            Common(w);
            w.Write(nameBytes);
            w.Write(data);
        }));
        _central.AddRange(Bytes(w =>
        {
            w.Write(0x02014b50u);
            w.Write((ushort)(3 << 8 | 20)); // made by Unix
            Common(w);
            w.Write((ushort)0); // comment
            w.Write((ushort)0); // disk
            w.Write((ushort)0); // internal attributes
            w.Write((uint)mode << 16);
            w.Write(offset);
            w.Write(nameBytes);
        }));
        _count++;
        return this;
    }

    public MemoryStream ToStream() => new(Bytes(w =>
    {
        w.Write([.. _local]);
        w.Write([.. _central]);
        w.Write(0x06054b50u);
        w.Write(0u);
        w.Write((ushort)_count);
        w.Write((ushort)_count);
        w.Write((uint)_central.Count);
        w.Write((uint)_local.Count);
        w.Write((ushort)0);
    }));

    private static byte[] Bytes(Action<BinaryWriter> write)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        write(writer);
        writer.Flush();
        return stream.ToArray();
    }

    private static byte[] Deflate(byte[] content)
    {
        using var result = new MemoryStream();
        using (var deflate = new DeflateStream(result, CompressionLevel.Optimal)) deflate.Write(content);
        return result.ToArray();
    }
}
