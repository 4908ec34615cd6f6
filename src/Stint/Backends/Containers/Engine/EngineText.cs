using System.Buffers;
using System.Text;

namespace Stint.Backends.Containers.Engine;

/// <summary>Names that go to the engine and texts that come from it.</summary>
internal static class EngineText
{
    private const int LongestQuote = 1000;
    private static readonly SearchValues<char> IdCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
    private static readonly SearchValues<char> ImageCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/:@");

    /// <summary>A container's or network's id or name, fit for a path; engines allow <c>[a-zA-Z0-9][a-zA-Z0-9_.-]*</c>.</summary>
    /// <exception cref="EngineException">It has other characters.</exception>
    public static string Id(string id) => id.Length is > 0 and <= 256 && char.IsAsciiLetterOrDigit(id[0]) && !id.AsSpan().ContainsAnyExcept(IdCharacters)
        ? id
        : throw new EngineException(EngineFault.Rejected, $"'{Quote(id)}' is no name of a container or network: letters, digits and _.- only, a letter or digit first.");

    /// <summary>An image's name or id, fit for a path: <c>[HOST[:PORT]/]NAME[:TAG][@sha256:…]</c>.</summary>
    /// <exception cref="EngineException">It is none.</exception>
    // No "..": such a path would be another call.
    public static string Image(string image) =>
        image.Length is > 0 and <= 512 && char.IsAsciiLetterOrDigit(image[0]) && !image.AsSpan().ContainsAnyExcept(ImageCharacters)
        && !image.Contains("..", StringComparison.Ordinal) && !image.Contains("//", StringComparison.Ordinal) && !image.Contains("/./", StringComparison.Ordinal)
            ? image
            : throw new EngineException(EngineFault.Rejected, $"'{Quote(image)}' is no name of an image. Write it like name:tag or host:5000/name:tag.");

    /// <summary>The last part of an id of 64 digits is nobody's business in a message.</summary>
    public static string Short(string subject) => subject.Length == 64 && !subject.AsSpan().ContainsAnyExceptInRange('0', 'f') ? subject[..12] : Quote(subject);

    /// <summary>A stranger's text in a message of ours: one line, of bounded length, nothing that a terminal would obey.</summary>
    public static string Quote(string text)
    {
        text = text.Trim();
        var length = Math.Min(text.Length, LongestQuote);
        var quoted = new StringBuilder(length);
        foreach (var c in text.AsSpan(0, length)) quoted.Append(char.IsControl(c) ? ' ' : c);
        return text.Length > length ? quoted.Append('…').ToString() : quoted.ToString();
    }
}
