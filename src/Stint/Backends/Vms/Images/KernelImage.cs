using System.Buffers.Binary;
using System.IO.Compression;

namespace Stint.Backends.Vms.Images;

/// <summary>
/// Takes the kernel proper (vmlinux, an ELF file) out of a bzImage. Firecracker boots nothing else on x86-64, and under any hypervisor the guest saves unpacking itself, which is a third of its boot without KVM.
/// </summary>
internal static class KernelImage
{
    // Documentation/arch/x86/boot.rst
    private const int SetupSectorsAt = 0x1F1, PayloadOffsetAt = 0x248, PayloadLengthAt = 0x24C, SectorSize = 512;

    // No kernel has more; a damaged file may say so.
    private const int MaxSize = 512 << 20;

    /// <summary>Writes the ELF file; a kernel that is one is copied.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="target">The file to write.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="VmImageException">It cannot be unpacked.</exception>
    public static async Task WriteElfAsync(GuestKernel kernel, string target, CancellationToken cancellationToken)
    {
        var file = await File.ReadAllBytesAsync(kernel.File, cancellationToken).ConfigureAwait(false);
        if (IsElf(file))
        {
            await File.WriteAllBytesAsync(target, file, cancellationToken).ConfigureAwait(false);
            return;
        }
        var payload = Payload(file) ?? throw new VmImageException($"the kernel {kernel.File} is damaged: its header leads out of it");
        var elf = await UnpackAsync(payload, cancellationToken).ConfigureAwait(false);
        if (!IsElf(elf)) throw new VmImageException($"the kernel {kernel.File} cannot be unpacked: what is in it is no ELF file");
        await File.WriteAllBytesAsync(target, elf, cancellationToken).ConfigureAwait(false);
    }

    private static bool IsElf(ReadOnlySpan<byte> bytes) => bytes.StartsWith("\u007fELF"u8);

    private static ReadOnlyMemory<byte>? Payload(byte[] file)
    {
        if (file.Length < PayloadLengthAt + 4) return null;
        var start = ((file[SetupSectorsAt] == 0 ? 4 : file[SetupSectorsAt]) + 1L) * SectorSize + BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(PayloadOffsetAt));
        var length = BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(PayloadLengthAt));
        // A null would become an empty Memory here.
        if (start + length > file.Length) return null;
        return file.AsMemory((int)start, (int)length);
    }

    // Which of them a kernel uses is its builder's choice (CONFIG_KERNEL_*); Debian's cloud kernel has LZ4, others have gzip, xz or zstd.
    private static async Task<byte[]> UnpackAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        if (payload.Span.StartsWith(Lz4.LegacyMagic)) return Lz4.DecodeLegacy(payload.Span, MaxSize);
        if (payload.Span.StartsWith(Magic.GZip))
        {
            using var unpacked = new MemoryStream();
            await using var gzip = new GZipStream(new MemoryStream(payload.ToArray()), CompressionMode.Decompress);
            await gzip.CopyToAsync(unpacked, cancellationToken).ConfigureAwait(false);
            return unpacked.ToArray();
        }
        var program = payload.Span.StartsWith(Magic.Xz) ? "xz" : payload.Span.StartsWith(Magic.Zstd) ? "zstd" : null;
        if (program is null) throw new VmImageException("the kernel is packed in a way that is not known here; name an ELF file (vmlinux) with --kernel");
        return await HostFilter.RunAsync(program, ["-dc"], payload, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>How packed data begins.</summary>
    internal static class Magic
    {
        /// <summary>RFC 1952.</summary>
        public static ReadOnlySpan<byte> GZip => [0x1f, 0x8b];

        /// <summary>The .xz file format, section 2.1.1.1.</summary>
        public static ReadOnlySpan<byte> Xz => [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0];

        /// <summary>RFC 8878 section 3.1.1.</summary>
        public static ReadOnlySpan<byte> Zstd => [0x28, 0xb5, 0x2f, 0xfd];
    }
}
