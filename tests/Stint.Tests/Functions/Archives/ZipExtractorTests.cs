using System.Diagnostics;
using System.IO.Compression;
using Stint.Functions.Archives;
using Stint.Functions.Deployments;

namespace Stint.Tests.Functions.Archives;

public sealed class ZipExtractorTests : IDisposable
{
    private const int Symlink = 0xA1FF, CharDevice = 0x2180, Fifo = 0x1180, Socket = 0xC180, Folder = 0x41ED;
    private readonly TempFolder _temp = new();

    private string Target => _temp["out"];

    public void Dispose() => _temp.Dispose();

    private void Extract(RawZip zip, string? subfolder = null, ArchiveLimits? limits = null) =>
        new ZipExtractor(limits ?? new()).Extract(zip.ToStream(), Target, subfolder, CancellationToken.None);

    private string Rejection(RawZip zip, string? subfolder = null, ArchiveLimits? limits = null)
    {
        var error = Assert.Throws<ArchiveRejectedException>(() => Extract(zip, subfolder, limits));
        Assert.Equal(DeploymentFault.BadRequest, error.Fault);
        Assert.DoesNotContain('\n', error.Message);
        return error.Message;
    }

    [Fact]
    public void Files_folders_and_empty_files_come_out_as_they_are()
    {
        Extract(new RawZip().Add("fn.py", "print(1)").Add("requirements.txt").Add("lib/", mode: Folder).Add("lib/a.txt", "äöü", deflate: true));
        Assert.Equal(["fn.py", "lib/", "lib/a.txt", "requirements.txt"], TempFolder.List(Target));
        Assert.Equal("äöü", File.ReadAllText(Path.Combine(Target, "lib/a.txt")));
        Assert.Equal("", File.ReadAllText(Path.Combine(Target, "requirements.txt")));
    }

    [Fact]
    public void Folders_without_entries_of_their_own_and_dot_slash_prefixes_work()
    {
        Extract(new RawZip().Add("./", mode: Folder).Add("./fn.py", "x").Add("./a/b/c.txt", "y"));
        Assert.Equal(["a/", "a/b/", "a/b/c.txt", "fn.py"], TempFolder.List(Target));
    }

    [Fact]
    public void What_the_zip_program_of_tinyFaaS_users_writes_works()
    {
        _temp.Write("fn/fn.py", "hello");
        _temp.Write("fn/requirements.txt");
        _temp.Write("fn/sub/x.txt", new string('x', 5000));
        using (var zip = Process.Start(new ProcessStartInfo("python3", ["-m", "zipfile", "-c", _temp["fn.zip"], "fn.py", "requirements.txt", "sub"]) { WorkingDirectory = _temp["fn"] })!)
            zip.WaitForExit();
        using var stream = File.OpenRead(_temp["fn.zip"]);
        new ZipExtractor(new()).Extract(stream, Target, null, CancellationToken.None);
        Assert.Equal(["fn.py", "requirements.txt", "sub/", "sub/x.txt"], TempFolder.List(Target));
    }

    [Fact]
    public void A_zip_that_was_written_to_a_pipe_has_data_descriptors_and_works()
    {
        using var bytes = new MemoryStream();
        using (var archive = new ZipArchive(new OneWay(bytes), ZipArchiveMode.Create))
        using (var entry = archive.CreateEntry("a.txt").Open())
            entry.Write("streamed"u8);
        bytes.Position = 0;
        new ZipExtractor(new()).Extract(bytes, Target, null, CancellationToken.None);
        Assert.Equal("streamed", File.ReadAllText(Path.Combine(Target, "a.txt")));
    }

    [Fact]
    public void The_executable_bit_is_kept_and_setuid_is_not()
    {
        Extract(new RawZip().Add("run.sh", "x", mode: 0x8DED).Add("plain", "x", mode: 0x81B6));
        Assert.Equal("0755", Mode("run.sh"));
        Assert.Equal("0644", Mode("plain"));
    }

    private string Mode(string name) => "0" + Convert.ToString((int)File.GetUnixFileMode(Path.Combine(Target, name)), 8);

    [Theory]
    [InlineData("/etc/passwd", "absolute path")]
    [InlineData("../fn.py", "\"..\"")]
    [InlineData("a/../../fn.py", "\"..\"")]
    [InlineData("a\\b.py", "backslash")]
    [InlineData("..\\fn.py", "backslash")]
    [InlineData("C:/fn.py", "drive letter")]
    [InlineData("a\0b", "NUL")]
    [InlineData("a\nb", "control character")]
    public void A_hostile_name_is_rejected_with_its_reason(string name, string reason)
    {
        Assert.Contains(reason, Rejection(new RawZip().Add(name, "x")), StringComparison.Ordinal);
        Assert.Empty(TempFolder.List(Target));
    }

    [Fact]
    public void Names_and_paths_that_are_too_long_are_rejected()
    {
        Assert.Contains("file name longer than 255", Rejection(new RawZip().Add(new string('n', 256), "x")), StringComparison.Ordinal);
        var deep = string.Concat(Enumerable.Repeat("folder/", 200)) + "x";
        Assert.Contains("path longer than 1024", Rejection(new RawZip().Add(deep, "x")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Symlink, "symbolic link")]
    [InlineData(CharDevice, "device, pipe or socket")]
    [InlineData(Fifo, "device, pipe or socket")]
    [InlineData(Socket, "device, pipe or socket")]
    [InlineData(Folder, "both a file and a folder")]
    public void Anything_but_a_plain_file_is_rejected(int mode, string reason) =>
        Assert.Contains(reason, Rejection(new RawZip().Add("fn.py", "/etc/passwd", mode)), StringComparison.Ordinal);

    [Fact]
    public void An_encrypted_entry_is_rejected() =>
        Assert.Contains("encrypted", Rejection(new RawZip().Add("fn.py", "xxxxxxxxxxxxx", flags: 1)), StringComparison.Ordinal);

    [Fact]
    public void Clashing_names_are_rejected_each_with_its_message()
    {
        Assert.Contains("occurs twice", Rejection(new RawZip().Add("a", "1").Add("a", "2")), StringComparison.Ordinal);
        Assert.Contains("occurs twice", Rejection(new RawZip().Add("b", "1").Add("./b", "2")), StringComparison.Ordinal);
        Assert.Contains("upper and lower case", Rejection(new RawZip().Add("c", "1").Add("C", "2")), StringComparison.Ordinal);
        Assert.Contains("upper and lower case", Rejection(new RawZip().Add("Lib/x", "1").Add("lib/y", "2")), StringComparison.Ordinal);
        Assert.Contains("both a file and a folder", Rejection(new RawZip().Add("d", "1").Add("d/e", "2")), StringComparison.Ordinal);
        Assert.Contains("both a file and a folder", Rejection(new RawZip().Add("f/g", "1").Add("f", "2")), StringComparison.Ordinal);
    }

    [Fact]
    public void Too_many_entries_are_rejected_before_any_is_read()
    {
        var zip = new RawZip();
        for (var i = 0; i < 11; i++) zip.Add($"f{i}", "x");
        Assert.Contains("more than 10 entries", Rejection(zip, limits: new() { MaxEntries = 10 }), StringComparison.Ordinal);
        Assert.False(Directory.Exists(Target));
    }

    [Fact]
    public void Sizes_are_limited_for_one_file_and_for_all()
    {
        var limits = new ArchiveLimits { MaxFileBytes = 2 << 20, MaxTotalBytes = 3 << 20 };
        var noise = new byte[(2 << 20) - 1];
        Random.Shared.NextBytes(noise);
        Assert.Contains("larger than 2 MiB", Rejection(new RawZip().Add("a", new byte[(2 << 20) + 1]), limits: limits), StringComparison.Ordinal);
        Directory.Delete(Target, true);
        Assert.Contains("larger than 3 MiB together", Rejection(new RawZip().Add("a", noise).Add("b", noise), limits: limits), StringComparison.Ordinal);
    }

    [Fact]
    public void A_bomb_is_rejected_while_it_inflates()
    {
        var zip = new RawZip().Add("bomb", new byte[20 << 20], deflate: true);
        Assert.Contains("more than 100 times", Rejection(zip), StringComparison.Ordinal);
        Assert.InRange(new FileInfo(Path.Combine(Target, "bomb")).Length, 0, 4 << 20);
    }

    [Fact]
    public void Well_compressing_small_texts_are_no_bomb()
    {
        Extract(new RawZip().Add("a", new byte[1 << 20], deflate: true));
        Assert.Equal(1 << 20, new FileInfo(Path.Combine(Target, "a")).Length);
    }

    [Fact]
    public void A_header_that_lies_about_the_size_is_found_out()
    {
        Assert.Contains("damaged", Rejection(new RawZip().Add("a", "0123456789", deflate: true, size: 4)), StringComparison.Ordinal);
        Assert.Contains("damaged", Rejection(new RawZip().Add("b", "0123456789", deflate: true, size: 4000)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_checksum_is_found_out() =>
        Assert.Contains("damaged", Rejection(new RawZip().Add("a", "0123456789", crc: 1)), StringComparison.Ordinal);

    [Theory]
    [InlineData(0)]
    [InlineData(21)]
    [InlineData(5000)]
    public void Bytes_that_are_no_zip_are_rejected(int length)
    {
        var noise = new byte[length];
        new Random(1).NextBytes(noise);
        var error = Assert.Throws<ArchiveRejectedException>(() => new ZipExtractor(new()).Extract(new MemoryStream(noise), Target, null, CancellationToken.None));
        Assert.Contains("not a zip", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_damaged_zip_does_anything_but_being_rejected_or_unpacked()
    {
        var good = new RawZip().Add("fn.py", "print('hello')", deflate: true).Add("lib/data.bin", new byte[300]).ToStream().ToArray();
        var random = new Random(42);
        for (var i = 0; i < 2000; i++)
        {
            var bytes = good.ToArray();
            for (var flips = random.Next(1, 6); flips > 0; flips--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0) bytes = bytes[..random.Next(bytes.Length)];
            var target = _temp[$"fuzz{i}"];
            try
            {
                new ZipExtractor(new()).Extract(new MemoryStream(bytes), target, null, CancellationToken.None);
            }
            catch (ArchiveRejectedException)
            {
                // as it should be
            }
        }
        Assert.All(Directory.GetFileSystemEntries(_temp.Path), path => Assert.StartsWith("fuzz", Path.GetFileName(path), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("repo-main/fns/sieve")]
    [InlineData("/repo-main/fns/sieve/")]
    public void A_subfolder_becomes_the_root(string subfolder)
    {
        Extract(new RawZip().Add("repo-main/", mode: Folder).Add("repo-main/README.md", "r").Add("repo-main/fns/sieve/fn.py", "x").Add("repo-main/fns/sieve/lib/y.py", "y"), subfolder);
        Assert.Equal(["fn.py", "lib/", "lib/y.py"], TempFolder.List(Target));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("")]
    [InlineData(null)]
    public void No_subfolder_means_everything(string? subfolder)
    {
        Extract(new RawZip().Add("fn.py", "x"), subfolder);
        Assert.Equal(["fn.py"], TempFolder.List(Target));
    }

    [Fact]
    public void A_subfolder_that_is_not_there_is_an_error_that_says_what_is()
    {
        var message = Rejection(new RawZip().Add("repo-main/fn.py", "x").Add("LICENSE", "x"), "repo/fns");
        Assert.Contains("no folder \"repo/fns\"", message, StringComparison.Ordinal);
        Assert.Contains("\"repo-main\", \"LICENSE\"", message, StringComparison.Ordinal);
        Assert.Contains("is a file", Rejection(new RawZip().Add("fn.py", "x"), "fn.py"), StringComparison.Ordinal);
        Assert.Contains("\"..\"", Rejection(new RawZip().Add("fn.py", "x"), "../x"), StringComparison.Ordinal);
    }

    /// <summary>A stream that can only be written forwards, like a pipe.</summary>
    private sealed class OneWay(Stream inner) : Stream
    {
        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override void Flush() => inner.Flush();
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);
    }
}
