using System.Buffers;
using System.Text;

namespace Stint.Ingress.Grpc.Wire;

/// <summary>
/// The encoding of <c>grpc-message</c> (doc/PROTOCOL-HTTP2.md): the text's UTF-8 bytes, those outside of <c>%x20-%x24 / %x26-%x7E</c> as <c>%XX</c>.
/// </summary>
internal static class PercentEncoding
{
    /// <summary>The longest encoded message, in characters: gRPC's C core refuses all metadata of a call beyond 8 KiB, and the rest needs room too.</summary>
    public const int MaxLength = 4096;

    private static readonly SearchValues<char> Plain = SearchValues.Create([.. Enumerable.Range(' ', '~' - ' ' + 1).Select(static c => (char)c).Where(static c => c != '%')]);

    /// <summary>Encodes; a text that would become longer than <see cref="MaxLength"/> is cut between two characters.</summary>
    public static string Encode(string text)
    {
        if (text.Length <= MaxLength && !text.AsSpan().ContainsAnyExcept(Plain)) return text;
        var encoded = new StringBuilder(Math.Min(text.Length + 32, MaxLength));
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.IsBmp && Plain.Contains((char)rune.Value))
            {
                if (encoded.Length + 1 > MaxLength) break;
                encoded.Append((char)rune.Value);
                continue;
            }
            var length = rune.EncodeToUtf8(bytes);
            if (encoded.Length + 3 * length > MaxLength) break;
            foreach (var one in bytes[..length]) encoded.Append('%').Append(Convert.ToHexString([one]));
        }
        return encoded.ToString();
    }
}
