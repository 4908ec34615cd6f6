using System.Buffers.Binary;
using System.Text;
using Stint.Backends.Vms.Images;
using Stint.Tests.Functions;

namespace Stint.Tests.Backends.Vms.Images;

public sealed class GuestKernelTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    /// <summary>The least that a bzImage is: the setup's sectors, the header's magic, a version, a payload.</summary>
    private string BzImage(string version, byte[] payload, uint? length = null)
    {
        var file = new byte[2 * 512 + payload.Length];
        file[0x1F1] = 1;
        Encoding.ASCII.GetBytes("HdrS").CopyTo(file, 0x202);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(0x20E), 0x300 - 0x200);
        Encoding.ASCII.GetBytes(version + " (somebody@somewhere) #1\0").CopyTo(file, 0x300);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(0x24C), length ?? (uint)payload.Length);
        payload.CopyTo(file, 2 * 512);
        File.WriteAllBytes(_temp["vmlinuz"], file);
        return _temp["vmlinuz"];
    }

    private static byte[] Lz4Frame(params byte[] block) => [0x02, 0x21, 0x4c, 0x18, (byte)block.Length, 0, 0, 0, .. block, 1, 2, 3, 4];

    [Fact]
    public void A_version_is_read_out_of_a_bzImage_and_out_of_an_elf_file()
    {
        Assert.Equal("6.1.0-56-cloud-amd64", GuestKernel.Open(BzImage("6.1.0-56-cloud-amd64", []), null).Version);
        var elf = new byte[3_000_000];
        "\u007fELF"u8.CopyTo(elf);
        // Where one read ends and the next begins.
        "Linux version 6.9.9-x (a@b)"u8.CopyTo(elf.AsSpan((1 << 20) - 10));
        File.WriteAllBytes(_temp["vmlinux"], elf);
        Assert.Equal("6.9.9-x", GuestKernel.Open(_temp["vmlinux"], null).Version);
    }

    [Theory]
    [InlineData("../../etc")]
    [InlineData("a/b")]
    [InlineData("..")]
    [InlineData("\u0001")]
    public void A_version_that_would_be_a_path_is_none(string version) =>
        Assert.Contains("is no Linux kernel", Assert.Throws<VmImageException>(() => GuestKernel.Open(BzImage(version, []), null)).Message, StringComparison.Ordinal);

    [Fact]
    public async Task An_lz4_kernel_is_unpacked()
    {
        // 5 literals "\x7fELFa", then a match of 10 bytes one byte back ("aaaaaaaaaa"), then the literal "!".
        var kernel = GuestKernel.Open(BzImage("6.1", Lz4Frame([0x56, 0x7f, (byte)'E', (byte)'L', (byte)'F', (byte)'a', 1, 0, 0x10, (byte)'!'])), null);
        await KernelImage.WriteElfAsync(kernel, _temp["vmlinux"], default);
        Assert.Equal("\u007fELFaaaaaaaaaaa!", Encoding.ASCII.GetString(File.ReadAllBytes(_temp["vmlinux"])));
    }

    [Theory]
    [InlineData("literals beyond the block", new byte[] { 0xf0, 0xff })]
    [InlineData("a match before the beginning", new byte[] { 0x10, 1, 9, 0, 0x00 })]
    [InlineData("a match of offset 0", new byte[] { 0x10, 1, 0, 0, 0x00 })]
    [InlineData("half an offset", new byte[] { 0x10, 1, 1 })]
    public async Task A_damaged_kernel_is_refused(string what, byte[] block)
    {
        var kernel = GuestKernel.Open(BzImage("6.1", Lz4Frame(block)), null);
        Assert.True(await Assert.ThrowsAsync<VmImageException>(() => KernelImage.WriteElfAsync(kernel, _temp["vmlinux"], default)) is { Message: var message } && message.Contains("damaged", StringComparison.Ordinal), what);
    }

    [Fact]
    public async Task A_header_that_leads_out_of_the_file_is_refused()
    {
        var kernel = GuestKernel.Open(BzImage("6.1", [1, 2, 3], length: 4_000_000_000), null);
        Assert.Contains("leads out of it", (await Assert.ThrowsAsync<VmImageException>(() => KernelImage.WriteElfAsync(kernel, _temp["vmlinux"], default))).Message, StringComparison.Ordinal);
        kernel = GuestKernel.Open(BzImage("6.1", [1, 2, 3]), null);
        Assert.Contains("packed in a way", (await Assert.ThrowsAsync<VmImageException>(() => KernelImage.WriteElfAsync(kernel, _temp["vmlinux"], default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Modules_come_behind_those_that_they_need()
    {
        Module("drivers/virtio/virtio.ko", "");
        Module("drivers/virtio/virtio_ring.ko", "virtio");
        Module("drivers/virtio/virtio_pci.ko", "virtio,virtio_ring");
        Module("drivers/net/virtio_net.ko", "net-failover,virtio_ring");
        Module("net/net_failover.ko", "virtio_net"); // a ring would be a kernel's mistake, and must not hang us
        Module("drivers/other/unneeded.ko", "");
        _temp.Write("m/modules.builtin", "kernel/drivers/block/virtio_blk.ko\n");
        var names = (await KernelModules.SelectAsync(Kernel(), default)).Select(static module => module.Name).ToArray();
        Assert.Equal(["virtio", "virtio_ring", "virtio_pci", "net_failover", "virtio_net"], names);

        void Module(string path, string depends) => _temp.Write("m/kernel/" + path, $"\u007fELF\0license=GPL\0depends={depends}\0name=x\0");
    }

    [Fact]
    public async Task A_kernel_that_cannot_drive_a_guest_is_refused()
    {
        _temp.Write("m/modules.builtin", "kernel/drivers/net/virtio_net.ko\nkernel/drivers/virtio/virtio_pci.ko\n");
        Assert.Contains("no driver for a guest's disks: virtio_blk, 9p", (await Assert.ThrowsAsync<VmImageException>(() => KernelModules.SelectAsync(Kernel(), default))).Message, StringComparison.Ordinal);
        Assert.Empty(await KernelModules.SelectAsync(Kernel() with { Modules = null }, default));
    }

    private GuestKernel Kernel() => new(_temp["vmlinuz"], "6.1", _temp["m"]);
}
