using System.Buffers.Binary;

namespace Stint.Backends.Vms.Images;

/// <summary>Decodes LZ4's legacy frames, which are what kernels are packed in (lz4_Frame_format.md, "Legacy frame"). Ours because no package of it restores here and the format is a page.</summary>
internal static class Lz4
{
    // A block unpacks to 8 MiB at most.
    private const int BlockSize = 8 << 20;

    private const int MinMatch = 4;

    /// <summary>How a legacy frame begins.</summary>
    public static ReadOnlySpan<byte> LegacyMagic => [0x02, 0x21, 0x4c, 0x18];

    /// <summary>Decodes a frame; what follows its last block, such as the size that a kernel's build appends, is skipped.</summary>
    /// <param name="packed">The frame.</param>
    /// <param name="most">Most bytes that it may unpack to.</param>
    /// <exception cref="VmImageException">It is damaged.</exception>
    public static byte[] DecodeLegacy(ReadOnlySpan<byte> packed, int most)
    {
        using var unpacked = new MemoryStream();
        var block = new byte[BlockSize];
        var rest = packed[LegacyMagic.Length..];
        while (rest.Length > 4)
        {
            var size = BinaryPrimitives.ReadUInt32LittleEndian(rest);
            if (size > rest.Length - 4) break;
            unpacked.Write(block, 0, DecodeBlock(rest.Slice(4, (int)size), block));
            if (unpacked.Length > most) throw Damaged();
            rest = rest[(4 + (int)size)..];
        }
        return unpacked.ToArray();
    }

    // lz4_Block_format.md: token, literals, offset, match; the last sequence has literals only.
    private static int DecodeBlock(ReadOnlySpan<byte> from, Span<byte> to)
    {
        int at = 0, end = 0;
        while (at < from.Length)
        {
            var token = from[at++];
            var literals = Length(token >> 4, from, ref at);
            if (literals > from.Length - at || literals > to.Length - end) throw Damaged();
            from.Slice(at, literals).CopyTo(to[end..]);
            at += literals;
            end += literals;
            if (at == from.Length) return end;
            if (from.Length - at < 2) throw Damaged();
            var offset = BinaryPrimitives.ReadUInt16LittleEndian(from[at..]);
            at += 2;
            var match = Length(token & 15, from, ref at) + MinMatch;
            if (offset == 0 || offset > end || match > to.Length - end) throw Damaged();
            // A match may overlap what it makes: "abab…" is a match two bytes back.
            if (offset >= match) to.Slice(end - offset, match).CopyTo(to[end..]);
            else for (var i = 0; i < match; i++) to[end + i] = to[end + i - offset];
            end += match;
        }
        return end;
    }

    private static int Length(int first, ReadOnlySpan<byte> from, ref int at)
    {
        var length = first;
        if (first != 15) return length;
        byte more;
        do
        {
            if (at >= from.Length || length > BlockSize) throw Damaged();
            more = from[at++];
            length += more;
        }
        while (more == 255);
        return length;
    }

    private static VmImageException Damaged() => new("the kernel is damaged: its LZ4 data is broken");
}
