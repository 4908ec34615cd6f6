using System.Text;
using Stint.Files;
using Stint.Functions.Bundles;
using Stint.Security.Tokens;

namespace Stint.Dialects.FunLess;

/// <summary>
/// The file out of which FunLess's command line takes its tokens, <c>/tmp/funless/tokens</c> there: <c>Admin=TOKEN</c> and <c>Guest=TOKEN</c>. Folders that others may write to can have anything in them by the
/// time that it is written, so it goes only where nobody else can have put something in the way.
/// </summary>
internal static class FunLessTokenFile
{
    private const int OthersMayWrite = 0b000_000_010, GroupMayWrite = 0b000_010_000, Sticky = 0x200;

    /// <summary>Writes it (0600); its folder is made (0700) when there is none.</summary>
    /// <exception cref="IOException">It cannot be written, or not safely; the message says what to do.</exception>
    public static void Write(string path, SubjectStore subjects)
    {
        var folder = Path.GetDirectoryName(path) ?? throw new IOException($"{path} is no place for a file; choose another with --funless-token-file");
        if (!FileStat.TryRead(folder, out _)) Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var known = subjects.List();
        var text = string.Concat(Line("Admin", SubjectStore.Admin), "\n", Line("Guest", SubjectStore.Guest));
        // Whose this process is shows in what it makes.
        var probe = Path.Combine(Path.GetTempPath(), $"stint-probe-{Guid.NewGuid():N}");
        using (new FileStream(probe, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.DeleteOnClose }))
            RequireSafe(folder, FileStat.TryRead(probe, out var own) ? own.User : 0);
        PrivateFile.Write(path, Encoding.ASCII.GetBytes(text));

        string Line(string word, string name) => $"{word}={subjects.TokenOf(known.First(subject => subject.Name == name))}";
    }

    /// <summary>Makes sure that nobody but this process's user and root can change what a path leads through.</summary>
    /// <param name="folder">The file's folder.</param>
    /// <param name="user">This process's user.</param>
    /// <exception cref="IOException">Somebody can.</exception>
    public static void RequireSafe(string folder, uint user)
    {
        for (var at = folder; at is not null; at = Path.GetDirectoryName(at))
        {
            if (!FileStat.TryRead(at, out var stat)) throw Unsafe(folder, $"{at} cannot be looked at");
            if (stat.User != user && stat.User != 0) throw Unsafe(folder, $"{at} belongs to another user ({stat.User})");
            // A link of root's is part of the system (/var/run); what it leads to is root's business too.
            if (stat.IsLink && (at == folder || stat.User != 0)) throw Unsafe(folder, $"{at} is a link");
            if (stat.IsLink) continue;
            if (!stat.IsFolder) throw Unsafe(folder, $"{at} is no folder");
            var isOpen = (stat.Mode & OthersMayWrite) != 0 || (at == folder && (stat.Mode & GroupMayWrite) != 0);
            if (isOpen && (at == folder || (stat.Mode & Sticky) == 0)) throw Unsafe(folder, $"others may write to {at}");
        }
    }

    private static IOException Unsafe(string folder, string why) =>
        new($"the tokens of FunLess's admin and guest are not written to {folder}: {why}, so somebody could read or replace them. Remove that folder, or choose another file with --funless-token-file");
}
