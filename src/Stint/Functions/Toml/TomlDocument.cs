using System.Text;
using System.Text.Unicode;

namespace Stint.Functions.Toml;

/// <summary>
/// What a TOML 1.0.0 text says (https://toml.io/en/v1.0.0). Reading never throws: a text that is not TOML gives problems, and whatever could be read beside them.
/// </summary>
internal sealed class TomlDocument
{
    /// <summary>Largest text, in bytes; arbitrary, a thousand times a usual file.</summary>
    public const int MaxBytes = 1024 * 1024;

    /// <summary>Deepest nesting of tables and arrays, the parts of dotted keys counted; arbitrary, far above use and far below the stack's end.</summary>
    public const int MaxDepth = 64;

    /// <summary>Problems that are reported of one text; after so many, reading stops.</summary>
    public const int MaxProblems = 20;

    private readonly string _text;

    private TomlDocument(string text, TomlTable root, IReadOnlyList<TomlProblem> problems) => (_text, Root, Problems) = (text, root, problems);

    /// <summary>The document's table; incomplete when there are problems.</summary>
    public TomlTable Root { get; }

    /// <summary>What breaks the rules of TOML, in the order of the text; empty when it is valid.</summary>
    public IReadOnlyList<TomlProblem> Problems { get; }

    /// <summary>A problem that a reader of the document found at one of its places.</summary>
    public TomlProblem ProblemAt(TomlPosition position, string message) => TomlProblem.At(_text, position, message);

    /// <summary>Reads a file's bytes: UTF-8, with or without a byte order mark.</summary>
    public static TomlDocument Parse(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length > MaxBytes) return Refused("", new TomlPosition(1, 1), $"the file has {utf8.Length:N0} bytes; at most {MaxBytes:N0} are read");
        if (utf8.StartsWith("\uFEFF"u8)) utf8 = utf8[3..];
        if (Utf8.IsValid(utf8)) return Parse(Encoding.UTF8.GetString(utf8));

        var valid = 0;
        while (Rune.DecodeFromUtf8(utf8[valid..], out _, out var length) == System.Buffers.OperationStatus.Done) valid += length;
        var before = Encoding.UTF8.GetString(utf8[..valid]);
        var position = new TomlPosition(before.AsSpan().Count('\n') + 1, before.Length - before.LastIndexOf('\n'));
        return Refused(Encoding.UTF8.GetString(utf8), position, $"byte 0x{utf8[valid]:X2} is not valid UTF-8; save the file as UTF-8");
    }

    /// <summary>Reads a text.</summary>
    public static TomlDocument Parse(string text)
    {
        if (text.Length > MaxBytes) return Refused("", new TomlPosition(1, 1), $"the text has {text.Length:N0} characters; at most {MaxBytes:N0} are read");
        if (text.StartsWith('\uFEFF')) text = text[1..];
        var parser = new TomlParser(text);
        parser.Run();
        return new TomlDocument(text, parser.Root, parser.Problems);
    }

    private static TomlDocument Refused(string text, TomlPosition position, string message) => new(text, new TomlTable(), [TomlProblem.At(text, position, message)]);
}
