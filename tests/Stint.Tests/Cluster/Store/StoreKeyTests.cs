using Stint.Cluster.Store;

namespace Stint.Tests.Cluster.Store;

public sealed class StoreKeyTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-key-").FullName;

    private string KeyFile => Path.Combine(_folder, "deep", "store.key");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000)]
    public void What_was_sealed_opens_with_the_key_of_the_file(int length)
    {
        var value = new byte[length];
        Random.Shared.NextBytes(value);
        var data = StoreKey.Create(KeyFile).Seal("secret a/b", value);
        Assert.Equal(value, StoreKey.Load(KeyFile)!.Unseal("secret a/b", data));
    }

    [Fact]
    public void The_same_value_is_never_sealed_the_same_way_twice()
    {
        var key = StoreKey.Create(KeyFile);
        Assert.NotEqual(key.Seal("a", "x"u8), key.Seal("a", "x"u8));
    }

    [Fact]
    public void Whatever_bit_is_changed_it_does_not_open()
    {
        var key = StoreKey.Create(KeyFile);
        var data = key.Seal("a", "sesame"u8);
        for (var bit = 0; bit < data.Length * 8; bit++)
        {
            var altered = (byte[])data.Clone();
            altered[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.Throws<StoreException>(() => key.Unseal("a", altered));
        }
        for (var length = 0; length < data.Length; length++) Assert.Throws<StoreException>(() => key.Unseal("a", data.AsSpan(0, length)));
        Assert.Throws<StoreException>(() => key.Unseal("b", data));
    }

    [Fact]
    public void Keys_are_told_apart_without_being_shown()
    {
        var one = StoreKey.Create(KeyFile);
        var other = StoreKey.Create(KeyFile + "2");
        Assert.NotEqual(one.Check, other.Check);
        Assert.Equal(one.Check, StoreKey.Load(KeyFile)!.Check);
        Assert.DoesNotContain(File.ReadAllText(KeyFile).Trim(), one.Check, StringComparison.Ordinal);
        Assert.Throws<StoreException>(() => other.Unseal("a", one.Seal("a", "x"u8)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0123")]
    [InlineData("zz23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
    public void A_file_that_holds_no_key_is_refused(string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(KeyFile)!);
        File.WriteAllText(KeyFile, text);
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(StoreFault.WrongKey, Assert.Throws<StoreException>(() => StoreKey.Load(KeyFile)).Fault);
    }

    [Fact]
    public void A_file_that_others_may_read_is_refused()
    {
        StoreKey.Create(KeyFile);
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Contains("chmod 600", Assert.Throws<StoreException>(() => StoreKey.Load(KeyFile)).Message, StringComparison.Ordinal);
        Assert.Null(StoreKey.Load(KeyFile + "none"));
        Assert.Throws<IOException>(() => StoreKey.Create(KeyFile));
    }
}
