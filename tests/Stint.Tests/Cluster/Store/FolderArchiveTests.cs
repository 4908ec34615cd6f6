using System.Buffers.Binary;
using System.Text;
using Stint.Cluster.Store;
using Stint.Functions.Bundles;

namespace Stint.Tests.Cluster.Store;

public sealed class FolderArchiveTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-archive-").FullName;

    private string Target => Path.Combine(_folder, "target");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_folder_comes_back_with_contents_modes_and_links()
    {
        var source = Source();
        await using var archive = new FolderArchiveReader(source);
        await FolderArchive.UnpackAsync(archive, Target, default);
        Assert.Equal(CodeTree.Walk(source).Select(entry => Describe(source, entry)), CodeTree.Walk(Target).Select(entry => Describe(Target, entry)));
        Assert.Equal(File.GetUnixFileMode(source), File.GetUnixFileMode(Target));
    }

    [Fact]
    public async Task Equal_folders_have_equal_hashes_whenever_they_were_made_and_however_they_are_read()
    {
        var (one, size) = await FunctionTable.HashAsync(Source(), default);
        Directory.Move(Path.Combine(_folder, "source"), Path.Combine(_folder, "before"));
        var (other, _) = await FunctionTable.HashAsync(Source(), default);
        Assert.Equal(one, other);
        await using var archive = new FolderArchiveReader(Path.Combine(_folder, "source"));
        var bytes = new List<byte>();
        var single = new byte[1];
        while (await archive.ReadAsync(single) == 1) bytes.Add(single[0]);
        Assert.Equal(size, bytes.Count);
        Assert.Equal(one, (await BlobTable.HashAsync(new MemoryStream([.. bytes]), default)).Hash);
    }

    [Theory]
    [InlineData("code/fn.py", "more")]
    [InlineData("code/new", "")]
    public async Task Every_difference_makes_another_hash(string path, string content)
    {
        var source = Source();
        var (before, _) = await FunctionTable.HashAsync(source, default);
        await File.WriteAllTextAsync(Path.Combine(source, path), content);
        Assert.NotEqual(before, (await FunctionTable.HashAsync(source, default)).Hash);
    }

    [Fact]
    public async Task A_mode_alone_makes_another_hash()
    {
        var source = Source();
        var (before, _) = await FunctionTable.HashAsync(source, default);
        File.SetUnixFileMode(Path.Combine(source, "code", "fn.py"), UnixFileMode.UserRead);
        Assert.NotEqual(before, (await FunctionTable.HashAsync(source, default)).Hash);
    }

    [Fact]
    public async Task A_socket_is_refused_by_name()
    {
        var source = Source();
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        socket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(Path.Combine(source, "sock")));
        var refusal = await Assert.ThrowsAsync<StoreException>(() => FunctionTable.HashAsync(source, default));
        Assert.Contains("\"sock\" is a device, pipe or socket", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_archive_that_is_cut_anywhere_is_refused()
    {
        await using var archive = new FolderArchiveReader(Source());
        var whole = new MemoryStream();
        await archive.CopyToAsync(whole);
        var bytes = whole.ToArray();
        for (var length = 0; length < bytes.Length; length++)
        {
            await Assert.ThrowsAsync<InvalidDataException>(() => FolderArchive.UnpackAsync(new MemoryStream(bytes, 0, length), Target, default));
            if (Directory.Exists(Target)) Directory.Delete(Target, recursive: true);
        }
    }

    public static TheoryData<string, byte[]> Hostile { get; } = new()
    {
        { "up", Archive(Entry('d', ""), Entry('f', "../evil", "x")) },
        { "absolute", Archive(Entry('d', ""), Entry('f', "/tmp/stint-evil", "x")) },
        { "dot", Archive(Entry('d', ""), Entry('f', "./evil", "x")) },
        { "through a link", Archive(Entry('d', ""), Entry('l', "a", ".."), Entry('f', "a/evil", "x")) },
        { "a link over a folder", Archive(Entry('d', ""), Entry('d', "a"), Entry('l', "a", "..")) },
        { "twice", Archive(Entry('d', ""), Entry('f', "a", "x"), Entry('f', "a", "y")) },
        { "out of order", Archive(Entry('d', ""), Entry('f', "b", "x"), Entry('f', "a", "y")) },
        { "in a file", Archive(Entry('d', ""), Entry('f', "a", "x"), Entry('f', "a/evil", "y")) },
        { "without its folder", Archive(Entry('d', ""), Entry('f', "a/b", "x")) },
        { "no root", Archive(Entry('f', "a", "x")) },
        { "empty", Archive() },
        { "setuid", Archive(Entry('d', ""), Entry('f', "a", "x", 0b100_111_101_101)) },
        { "unknown kind", Archive(Entry('d', ""), Entry('b', "a", "x")) },
        { "a folder with content", Archive(Entry('d', ""), Entry('d', "a", "x")) },
        { "a link to nothing", Archive(Entry('d', ""), Entry('l', "a", "")) },
        { "NUL", Archive(Entry('d', ""), Entry('f', "a\0b", "x")) },
        { "an empty part", Archive(Entry('d', ""), Entry('d', "a"), Entry('f', "a//b", "x")) },
        { "negative length", Archive(Entry('d', ""), Entry('f', "a", null, length: -1)) },
        { "endless", Archive(Entry('d', ""), Entry('f', "a", null, length: long.MaxValue)) },
        { "another format", "stint-folder 2\ne"u8.ToArray() },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public async Task What_is_no_archive_of_ours_writes_nothing_elsewhere(string what, byte[] archive)
    {
        _ = what;
        await Assert.ThrowsAsync<InvalidDataException>(() => FolderArchive.UnpackAsync(new MemoryStream(archive), Target, default));
        Assert.False(File.Exists(Path.Combine(_folder, "evil")));
        Assert.False(File.Exists("/tmp/stint-evil"));
    }

    private static string Describe(string folder, CodeEntry entry)
    {
        var path = Path.Combine(folder, entry.Path);
        return $"{entry.Path} {entry.Stat.Mode} {(entry.Stat.IsLink ? new FileInfo(path).LinkTarget : entry.Stat.IsFile ? File.ReadAllText(path) : "")}";
    }

    private static byte[] Archive(params byte[][] entries) => [.. FolderArchive.Magic, .. entries.SelectMany(static entry => entry), (byte)'e'];

    private static byte[] Entry(char kind, string path, string? content = "", int? mode = null, long? length = null)
    {
        var (name, data) = (Encoding.UTF8.GetBytes(path), Encoding.UTF8.GetBytes(content ?? ""));
        var head = new byte[5 + name.Length + 8];
        head[0] = (byte)kind;
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(1), (ushort)(mode ?? (kind == 'd' ? 0b111_101_101 : kind == 'f' ? 0b110_100_100 : 0)));
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(3), (ushort)name.Length);
        name.CopyTo(head.AsSpan(5));
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(5 + name.Length), length ?? data.Length);
        return [.. head, .. data];
    }

    private string Source()
    {
        var source = Path.Combine(_folder, "source");
        Directory.CreateDirectory(Path.Combine(source, "code", "sub"));
        File.WriteAllText(Path.Combine(source, "function.toml"), "[process]\nruntime = \"python3\"\n");
        File.WriteAllText(Path.Combine(source, "code", "fn.py"), "pass");
        File.WriteAllText(Path.Combine(source, "code", "sub-way"), "sorts between sub and sub/x");
        File.WriteAllText(Path.Combine(source, "code", "sub", "x"), "");
        File.SetUnixFileMode(Path.Combine(source, "code", "sub", "x"), (UnixFileMode)0b111_000_001);
        File.CreateSymbolicLink(Path.Combine(source, "code", "to"), "../../elsewhere");
        File.SetUnixFileMode(source, (UnixFileMode)0b111_000_000);
        return source;
    }
}
