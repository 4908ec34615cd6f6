using System.Formats.Tar;
using Stint.Backends.Containers.Images;
using Stint.Tests.Functions;

namespace Stint.Tests.Backends.Containers.Images;

public sealed class RootfsTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void A_file_brings_the_links_and_folders_on_its_way()
    {
        // As on a merged-/usr system: lib -> usr/lib, and a library that is a link to its version.
        var root = Folder("usr/lib");
        File.WriteAllText(Path.Combine(root, "libx.so.1.2"), "x");
        File.CreateSymbolicLink(Path.Combine(root, "libx.so.1"), "libx.so.1.2");
        File.CreateSymbolicLink(Path.Combine(_temp.Path, "lib"), "usr/lib");
        var rootfs = new Rootfs();
        Assert.True(rootfs.AddHost(Path.Combine(_temp.Path, "lib/libx.so.1")));
        Assert.Equal(["lib", "usr", "usr/lib", "usr/lib/libx.so.1", "usr/lib/libx.so.1.2"], Below(rootfs));
        Assert.Equal("usr/lib", Entry(rootfs, "lib").LinkTarget);
        Assert.Equal("libx.so.1.2", Entry(rootfs, "usr/lib/libx.so.1").LinkTarget);
        Assert.Equal(1, rootfs.Size);
    }

    [Fact]
    public void A_folder_comes_whole_and_its_loops_do_no_harm()
    {
        var root = Folder("tree/deep");
        File.WriteAllText(Path.Combine(root, "file"), "x");
        File.WriteAllText(Path.Combine(root, "archive.a"), "x");
        File.CreateSymbolicLink(Path.Combine(root, "up"), "..");
        Folder("tree/test/inner");
        var rootfs = new Rootfs();
        rootfs.AddHostTree(Path.Combine(_temp.Path, "tree"), "test");
        Assert.Equal(["tree", "tree/deep", "tree/deep/file", "tree/deep/up"], Below(rootfs));
    }

    [Fact]
    public void Links_that_lead_nowhere_or_in_a_circle_bring_nothing_else()
    {
        File.CreateSymbolicLink(Path.Combine(_temp.Path, "a"), "b");
        File.CreateSymbolicLink(Path.Combine(_temp.Path, "b"), "a");
        File.CreateSymbolicLink(Path.Combine(_temp.Path, "broken"), "nowhere");
        var rootfs = new Rootfs();
        Assert.False(rootfs.AddHost(Path.Combine(_temp.Path, "a")));
        Assert.False(rootfs.AddHost(Path.Combine(_temp.Path, "broken")));
        Assert.False(rootfs.AddHost(Path.Combine(_temp.Path, "never")));
        Assert.Empty(rootfs.Files);
    }

    [Fact]
    public void Nothing_in_it_makes_root_of_whoever_runs_it()
    {
        var program = Path.Combine(_temp.Path, "su");
        File.WriteAllText(program, "x");
        File.SetUnixFileMode(program, (UnixFileMode)0b100_111_101_101);
        var rootfs = new Rootfs();
        rootfs.AddHost(program);
        Assert.Equal((UnixFileMode)0b111_101_101, Entry(rootfs, "su").Mode);
    }

    [Fact]
    public async Task The_archive_has_all_of_it_in_order()
    {
        Folder("usr/bin");
        var program = Path.Combine(_temp.Path, "usr/bin/program");
        File.WriteAllText(program, "content");
        File.SetLastWriteTimeUtc(program, DateTime.UnixEpoch.AddSeconds(12345));
        var rootfs = new Rootfs();
        rootfs.AddFile("/usr/bin/" + new string('n', 150), program);
        rootfs.AddLink("/bin", "usr/bin");
        var written = 0L;
        await using var stream = TarStream.Open(rootfs, bytes => written = bytes, default);
        await using var reader = new TarReader(stream);
        var names = new List<string>();
        while (await reader.GetNextEntryAsync() is { } entry)
        {
            names.Add($"{entry.EntryType} {entry.Name}");
            Assert.Equal((0, 0), (entry.Uid, entry.Gid));
            if (entry.DataStream is not { } data) continue;
            using var text = new StreamReader(data);
            Assert.Equal("content", await text.ReadToEndAsync());
            Assert.Equal(12345, entry.ModificationTime.ToUnixTimeSeconds()); // Python's compiled files believe in it
        }
        Assert.Equal(["SymbolicLink bin", "Directory usr/", "Directory usr/bin/", "RegularFile usr/bin/" + new string('n', 150)], names);
        Assert.Equal(7, written);
    }

    [Fact]
    public async Task A_file_that_goes_meanwhile_fails_the_reading()
    {
        var program = Path.Combine(_temp.Path, "program");
        File.WriteAllText(program, "content");
        var rootfs = new Rootfs();
        rootfs.AddHost(program);
        File.Delete(program);
        await using var stream = TarStream.Open(rootfs, static _ => { }, default);
        await Assert.ThrowsAsync<FileNotFoundException>(() => stream.CopyToAsync(Stream.Null));
    }

    private string Folder(string path) => Directory.CreateDirectory(Path.Combine(_temp.Path, path)).FullName;

    private IEnumerable<string> Below(Rootfs rootfs) => rootfs.Entries.Select(static entry => entry.Path).Where(path => path.StartsWith(_temp.Path + "/", StringComparison.Ordinal)).Select(path => path[(_temp.Path.Length + 1)..]);

    private RootfsEntry Entry(Rootfs rootfs, string path) => rootfs.Entries.Single(entry => entry.Path == Path.Combine(_temp.Path, path));
}
