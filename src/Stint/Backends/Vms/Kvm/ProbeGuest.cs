using System.Buffers.Binary;

namespace Stint.Backends.Vms.Kvm;

/// <summary>A kernel of 256 bytes, see probe-guest.S, as a file that QEMU boots: ELF with the note that says where Xen's PVH enters (XEN_ELFNOTE_PHYS32_ENTRY).</summary>
internal static class ProbeGuest
{
    /// <summary>QEMU's exit code when the guest has come to its end.</summary>
    public const int Success = (0x2a << 1) | 1;

    private const int Base = 0x100000;
    private const int CodeOffset = 0x1000;
    private const int HeaderLength = 52;
    private const int SegmentLength = 32;

    private static readonly byte[] Code = Convert.FromHexString(
        "fcc7050000200003102000c7050010200003202000c7050020200083000000c7" +
        "0508202000830020000f20e083c8200f22e0b8000020000f22d8b9800000c00f" +
        "320d000100000f300f20c00d010000800f22c00f0115f0101000ea6110100008" +
        "0031c08ed88ec08ed048c7c40000180048c7c700003000488d054f0000006689" +
        "87e000000066c787e2000000080066c787e4000000008e48c1e810668987e600" +
        "000048c1e8108987e80000000f011d43000000be000060008b0683f800b9002d" +
        "3101ffc975fcb02ae6f4f4ebfdc7042518202000830060004883c40848cf6690" +
        "0000000000000000ffff0000009baf000f00e0101000ff0f0000300000000000");

    /// <summary>The file's bytes.</summary>
    public static byte[] Elf()
    {
        var file = new byte[CodeOffset + Code.Length];
        // Elf32_Ehdr: 32-bit, little-endian, executable, 386
        ReadOnlySpan<byte> identification = [0x7f, (byte)'E', (byte)'L', (byte)'F', 1, 1, 1];
        identification.CopyTo(file);
        Half(16, 2);
        Half(18, 3);
        Word(20, 1);
        Word(24, Base + CodeOffset); // entry
        Word(28, HeaderLength);      // program headers
        Half(40, HeaderLength);
        Half(42, SegmentLength);
        Half(44, 2);
        // Elf32_Phdr, twice: everything is loaded; the note
        const int note = HeaderLength + 2 * SegmentLength;
        Segment(HeaderLength, kind: 1, offset: 0, length: file.Length, flags: 7, alignment: 0x1000);
        Segment(HeaderLength + SegmentLength, kind: 4, offset: note, length: 20, flags: 4, alignment: 4);
        Word(note, 4);
        Word(note + 4, 4);
        Word(note + 8, 18);
        "Xen\0"u8.CopyTo(file.AsSpan(note + 12));
        Word(note + 16, Base + CodeOffset);
        Code.CopyTo(file.AsSpan(CodeOffset));
        return file;

        void Half(int at, short value) => BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(at), value);
        void Word(int at, int value) => BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(at), value);
        void Segment(int at, int kind, int offset, int length, int flags, int alignment)
        {
            ReadOnlySpan<int> values = [kind, offset, Base + offset, Base + offset, length, length, flags, alignment];
            for (var i = 0; i < values.Length; i++) Word(at + 4 * i, values[i]);
        }
    }
}
