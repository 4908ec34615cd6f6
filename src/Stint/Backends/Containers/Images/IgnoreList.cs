using System.Text;
using System.Text.RegularExpressions;

namespace Stint.Backends.Containers.Images;

/// <summary>
/// A <c>.dockerignore</c>: what of a folder is not sent to the engine. Lines are patterns of paths, <c>*</c> within a name, <c>**</c> over folders, <c>!</c> takes back; the last that matches decides, and what is in
/// an ignored folder is ignored (docs.docker.com/build/concepts/context, "Dockerignore files").
/// </summary>
internal sealed class IgnoreList
{
    /// <summary>The file's name.</summary>
    public const string FileName = ".dockerignore";

    // A pattern comes from the user's own folder; the limit is against one that was made to take long.
    private static readonly TimeSpan MatchLimit = TimeSpan.FromSeconds(1);

    private readonly List<(Regex Pattern, bool TakesBack)> _rules = [];

    /// <summary>Reads lines.</summary>
    public IgnoreList(IEnumerable<string> lines)
    {
        foreach (var raw in lines)
        {
            var line = raw.Trim();
            if (line.Length == 0 || line[0] == '#') continue;
            var takesBack = line[0] == '!';
            var pattern = (takesBack ? line[1..].Trim() : line).Trim('/');
            while (pattern.StartsWith("./", StringComparison.Ordinal)) pattern = pattern[2..];
            if (pattern.Length > 0) _rules.Add((new Regex(Translate(pattern), RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchLimit), takesBack));
        }
    }

    /// <summary>The list of a folder; empty when it has none.</summary>
    public static IgnoreList Of(string folder) => new(Path.Combine(folder, FileName) is var path && File.Exists(path) ? File.ReadLines(path) : []);

    /// <summary>Whether something is left out.</summary>
    /// <param name="path">Relative to the folder, with slashes.</param>
    public bool Ignores(string path)
    {
        var ignored = false;
        foreach (var (pattern, takesBack) in _rules)
            if (ignored == takesBack && pattern.IsMatch(path)) ignored = !takesBack;
        return ignored;
    }

    // The path itself, or anything in a folder of that name.
    private static string Translate(string pattern)
    {
        var expression = new StringBuilder("^");
        for (var at = 0; at < pattern.Length; at++)
        {
            if (pattern[at] == '*' && at + 1 < pattern.Length && pattern[at + 1] == '*')
            {
                var wholeName = at + 2 < pattern.Length && pattern[at + 2] == '/';
                expression.Append(wholeName ? "(.*/)?" : ".*");
                at += wholeName ? 2 : 1;
            }
            else if (pattern[at] == '*') expression.Append("[^/]*");
            else if (pattern[at] == '?') expression.Append("[^/]");
            else expression.Append(Regex.Escape(pattern[at].ToString()));
        }
        return expression.Append("(/.*)?$").ToString();
    }
}
