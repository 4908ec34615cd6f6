using System.Globalization;
using System.Text;

namespace Stint.Tests.Functions.Toml;

/// <summary>
/// The case files beside this one. A case begins with <c>=== name</c>, its TOML follows; <c>⟦0D⟧</c> stands for a byte, <c>⟦NOEOL⟧</c> takes the last line's end away.
/// In <c>valid.cases</c> a line <c>--- json</c> ends it with the expected values, tagged as toml-test tags them; they were made with another parser (Python's tomllib).
/// </summary>
internal sealed record TomlCases(string Name, byte[] Toml, string Json)
{
    public static IReadOnlyList<TomlCases> Valid { get; } = Read("valid.cases");

    public static IReadOnlyList<TomlCases> Invalid { get; } = Read("invalid.cases");

    private static List<TomlCases> Read(string file)
    {
        var cases = new List<TomlCases>();
        var text = File.ReadAllText(RepositoryFolder.File("tests", "Stint.Tests", "Functions", "Toml", file));
        foreach (var part in text.Split("=== ", StringSplitOptions.RemoveEmptyEntries))
        {
            var nameEnd = part.IndexOf('\n', StringComparison.Ordinal);
            var body = part[(nameEnd + 1)..];
            var json = body.LastIndexOf("--- ", StringComparison.Ordinal);
            cases.Add(new TomlCases(part[..nameEnd], Bytes(json < 0 ? body : body[..json]), json < 0 ? "" : body[(json + 4)..].TrimEnd()));
        }
        return cases;
    }

    private static byte[] Bytes(string body)
    {
        if (body.Contains("⟦NOEOL⟧", StringComparison.Ordinal)) body = body.TrimEnd('\n').Replace("⟦NOEOL⟧", "", StringComparison.Ordinal);
        using var bytes = new MemoryStream();
        for (var i = 0; i < body.Length;)
        {
            if (body[i] == '⟦')
            {
                bytes.WriteByte(byte.Parse(body.AsSpan(i + 1, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                i += 4;
                continue;
            }
            var end = body.IndexOf('⟦', i) is var next and >= 0 ? next : body.Length;
            bytes.Write(Encoding.UTF8.GetBytes(body[i..end]));
            i = end;
        }
        return bytes.ToArray();
    }
}
