// An empty qcow2 image over a raw one, as `qemu-img create -f qcow2 -b BASE -F raw` makes it (docs/interop/qcow2.txt of QEMU), without needing that program, in 4 clusters of 64 KiB:
//
//   cluster 0   header (version 3), header extension with the base's format, the base's name
//           1   refcount table: one entry, cluster 2
//           2   refcount block: clusters 0 to 3 (and the rest of the L1 table) are in use
//           3…  L1 table: all zero, so every byte comes from the base until the guest writes it
//
// All numbers are big-endian.
using System.Buffers.Binary;
using System.Text;

namespace Stint.Backends.Vms.Disks;

/// <summary>Makes a disk that takes what one guest writes, over an image that all share and none changes. Costs a few kilobytes, whatever the image's size.</summary>
internal static class Qcow2Overlay
{
    private const int ClusterBits = 16;
    private const int ClusterSize = 1 << ClusterBits;
    private const int HeaderLength = 104;
    private const uint BackingFormat = 0xE2792ACA; // header extension: format of the backing file
    private const int MaxNameLength = 1023;

    /// <summary>Makes it; there must be no such file.</summary>
    /// <param name="path">The overlay.</param>
    /// <param name="backing">The raw image, as the hypervisor will see it.</param>
    /// <param name="length">The image's size in bytes; a part of a sector at its end is left out, as QEMU does with a raw image.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static void Create(string path, string backing, long length)
    {
        var name = Encoding.UTF8.GetBytes(backing);
        if (name.Length > MaxNameLength) throw new IOException($"the image's path has more than {MaxNameLength} bytes");
        var size = length & ~511L;
        // One L2 table maps a cluster full of 8-byte entries, of a cluster each.
        var l1Entries = (int)((size + (long)ClusterSize * (ClusterSize / 8) - 1) / ((long)ClusterSize * (ClusterSize / 8)));
        var l1Clusters = Math.Max(1, (l1Entries * 8 + ClusterSize - 1) / ClusterSize);

        var image = new byte[(3 + l1Clusters) * ClusterSize];
        var header = image.AsSpan();
        BinaryPrimitives.WriteUInt32BigEndian(header, 0x514649fb); // "QFI\xfb"
        BinaryPrimitives.WriteUInt32BigEndian(header[4..], 3);
        BinaryPrimitives.WriteUInt64BigEndian(header[8..], HeaderLength + 8 + 8 + 8); // the name comes after the extensions
        BinaryPrimitives.WriteUInt32BigEndian(header[16..], (uint)name.Length);
        BinaryPrimitives.WriteUInt32BigEndian(header[20..], ClusterBits);
        BinaryPrimitives.WriteInt64BigEndian(header[24..], size);
        BinaryPrimitives.WriteInt32BigEndian(header[36..], l1Entries);
        BinaryPrimitives.WriteInt64BigEndian(header[40..], 3L * ClusterSize);
        BinaryPrimitives.WriteInt64BigEndian(header[48..], 1L * ClusterSize);
        BinaryPrimitives.WriteInt32BigEndian(header[56..], 1);
        BinaryPrimitives.WriteInt32BigEndian(header[96..], 4); // refcounts of 16 bits
        BinaryPrimitives.WriteInt32BigEndian(header[100..], HeaderLength);
        BinaryPrimitives.WriteUInt32BigEndian(header[HeaderLength..], BackingFormat);
        BinaryPrimitives.WriteInt32BigEndian(header[(HeaderLength + 4)..], 3);
        "raw"u8.CopyTo(header[(HeaderLength + 8)..]);
        // The end of extensions is eight zeros.
        name.CopyTo(header[(HeaderLength + 24)..]);
        BinaryPrimitives.WriteInt64BigEndian(image.AsSpan(ClusterSize), 2L * ClusterSize);
        for (var cluster = 0; cluster < 3 + l1Clusters; cluster++) BinaryPrimitives.WriteUInt16BigEndian(image.AsSpan(2 * ClusterSize + cluster * 2), 1);

        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        file.Write(image);
    }
}
