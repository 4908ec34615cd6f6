using System.Buffers.Binary;
using System.Text;
using Stint.Backends.Vms.Disks;

namespace Stint.Tests.Backends.Vms.Disks;

/// <summary>The overlay's fields by QEMU's specification; that QEMU takes it, and writes to it and not to the image, is in the end-to-end tests.</summary>
public sealed class Qcow2OverlayTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-qcow2-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1 << 20, 1 << 20, 1)]
    [InlineData((1 << 20) + 100, 1 << 20, 1)]
    [InlineData((512L << 20) + 512, (512L << 20) + 512, 2)]
    [InlineData(10L << 40, 10L << 40, 20480)]
    public void It_says_how_long_it_is_and_what_lies_below(long image, long expected, int tables)
    {
        var path = Path.Combine(_folder, "disk");
        Qcow2Overlay.Create(path, "/some/where/image", image);
        var bytes = File.ReadAllBytes(path);
        Assert.Equal((0x514649fbu, 3u), (Number(bytes, 0), Number(bytes, 4)));
        Assert.Equal("/some/where/image", Encoding.UTF8.GetString(bytes, (int)BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(8)), (int)Number(bytes, 16)));
        Assert.Equal(expected, BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(24)));
        Assert.Equal(tables, (int)Number(bytes, 36));
        // Every cluster of the file is counted, the table of tables lies within it and is empty.
        var clusters = bytes.Length >> 16;
        for (var cluster = 0; cluster < clusters; cluster++) Assert.Equal(1, BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan((2 << 16) + cluster * 2)));
        Assert.True((3 << 16) + tables * 8 <= bytes.Length);
        Assert.All(bytes.AsMemory(3 << 16).ToArray(), static value => Assert.Equal(0, value));
    }

    [Fact]
    public void A_name_that_does_not_fit_is_refused() => Assert.Throws<IOException>(() => Qcow2Overlay.Create(Path.Combine(_folder, "disk"), new string('x', 1024), 512));

    [Fact]
    public void A_file_that_is_there_is_not_overwritten()
    {
        var path = Path.Combine(_folder, "disk");
        File.WriteAllText(path, "mine");
        Assert.Throws<IOException>(() => Qcow2Overlay.Create(path, "/i", 512));
        Assert.Equal("mine", File.ReadAllText(path));
    }

    private static uint Number(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(at));
}
