using Stint.Dialects.FunLess;
using Stint.Functions.Bundles;
using Stint.Security.Tokens;
using Stint.Tests.Functions;

namespace Stint.Tests.Dialects.FunLess;

/// <summary>Where the tokens are written, and where they are not.</summary>
public sealed class FunLessTokenFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_file_has_one_line_for_each_as_FunLess_s_has()
    {
        var subjects = new SubjectStore(_folder["keys"], TimeProvider.System);
        FunLessTokenFile.Write(_folder["a/tokens"], subjects);
        var lines = File.ReadAllLines(_folder["a/tokens"]);
        Assert.Equal($"Admin={subjects.TokenOf(subjects.List()[0])}", lines[0]);
        Assert.Equal($"Guest={subjects.TokenOf(subjects.List()[1])}", lines[1]);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["a/tokens"]));
        Assert.Equal(["tokens"], Directory.EnumerateFileSystemEntries(_folder["a"]).Select(Path.GetFileName));
    }

    [Fact]
    public void A_folder_is_safe_when_nobody_else_can_change_it_or_what_leads_to_it()
    {
        Assert.True(FileStat.TryRead(_folder.Path, out var own));
        Directory.CreateDirectory(_folder["safe/inner"]);
        FunLessTokenFile.RequireSafe(_folder["safe/inner"], own.User);
        Refuses(_folder["safe/inner"], own.User, "others may write to", () => File.SetUnixFileMode(_folder["safe/inner"], (UnixFileMode)0b111_000_010), () => File.SetUnixFileMode(_folder["safe/inner"], (UnixFileMode)0b111_000_000));
        Refuses(_folder["safe/inner"], own.User, "others may write to", () => File.SetUnixFileMode(_folder["safe/inner"], (UnixFileMode)0b111_010_000), () => File.SetUnixFileMode(_folder["safe/inner"], (UnixFileMode)0b111_000_000));
        Refuses(_folder["safe/inner"], own.User, "others may write to", () => File.SetUnixFileMode(_folder["safe"], (UnixFileMode)0b111_111_111), () => File.SetUnixFileMode(_folder["safe"], (UnixFileMode)0b111_101_101));
        // Sticky, as /tmp is: others may write there, but not take away what is ours.
        File.SetUnixFileMode(_folder["safe"], (UnixFileMode)0b001_111_111_111);
        FunLessTokenFile.RequireSafe(_folder["safe/inner"], own.User);
        // As the last folder even that is not enough: somebody may have put the file there before.
        Assert.Contains("others may write to", Assert.Throws<IOException>(() => FunLessTokenFile.RequireSafe(_folder["safe"], own.User)).Message, StringComparison.Ordinal);
        if (own.User == 0) return; // root owns everything here; the next two need somebody else's
        Assert.Contains("belongs to another user", Assert.Throws<IOException>(() => FunLessTokenFile.RequireSafe(_folder["safe/inner"], own.User + 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_is_not_followed()
    {
        Assert.True(FileStat.TryRead(_folder.Path, out var own));
        Directory.CreateDirectory(_folder["real"]);
        Directory.CreateSymbolicLink(_folder["link"], _folder["real"]);
        Assert.Contains("is a link", Assert.Throws<IOException>(() => FunLessTokenFile.RequireSafe(_folder["link"], own.User)).Message, StringComparison.Ordinal);
        _folder.Write("file");
        Assert.Contains("is no folder", Assert.Throws<IOException>(() => FunLessTokenFile.RequireSafe(_folder["file"], own.User)).Message, StringComparison.Ordinal);
    }

    private static void Refuses(string folder, uint user, string why, Action open, Action close)
    {
        open();
        Assert.Contains(why, Assert.Throws<IOException>(() => FunLessTokenFile.RequireSafe(folder, user)).Message, StringComparison.Ordinal);
        close();
        FunLessTokenFile.RequireSafe(folder, user);
    }
}
