using System.Globalization;
using System.Text;
using Stint.Invocations;

namespace Stint.Backends.Upstream;

/// <summary>The head of an answer, checked and taken apart (RFC 9112 sections 4 to 6).</summary>
internal sealed class ResponseHead
{
    /// <summary>The most bytes that a head may have.</summary>
    public const int MaxSize = 64 * 1024;

    /// <summary>100 to 599.</summary>
    public required int Status { get; init; }

    /// <summary>What is passed on: not the connection's own headers and not the body's framing. It must not be changed.</summary>
    public required HeaderList Headers { get; init; }

    /// <summary>How the body's end is found.</summary>
    public required BodyFraming Framing { get; init; }

    /// <summary><c>Content-Length</c>; null when there is none.</summary>
    public long? ContentLength { get; init; }

    /// <summary>Whether the connection may carry another request, for all that the server says.</summary>
    public bool IsPersistent { get; init; }

    /// <summary>Whether the server says <c>Connection: keep-alive</c> in so many words.</summary>
    public bool PromisesKeepAlive { get; init; }

    /// <summary>Bytes of the head, its empty line included.</summary>
    public required int Size { get; init; }

    /// <summary>Finds the end of a head, behind its empty line; -1 when it has not come.</summary>
    /// <param name="bytes">What has come.</param>
    /// <param name="searched">How much of it was searched before.</param>
    public static int FindEnd(ReadOnlySpan<byte> bytes, int searched = 0)
    {
        // The empty line may have begun in what was searched.
        for (var from = Math.Max(0, searched - 3); ;)
        {
            var lf = bytes[from..].IndexOf((byte)'\n');
            if (lf < 0) return -1;
            from += lf + 1;
            if (from < bytes.Length && bytes[from] == '\n') return from + 1;
            if (from + 1 < bytes.Length && bytes[from] == '\r' && bytes[from + 1] == '\n') return from + 2;
        }
    }

    /// <summary>Takes a whole head apart.</summary>
    /// <exception cref="BadAnswerException">It is none, or says what cannot be followed or passed on.</exception>
    public static ResponseHead Parse(ReadOnlySpan<byte> bytes)
    {
        var rest = bytes;
        var (status, isHttp11) = StatusLine(NextLine(ref rest));
        var draft = new Draft();
        while (NextLine(ref rest) is { IsEmpty: false } line) draft.Add(line);
        if (draft is { IsChunked: true, Length: not null }) throw new BadAnswerException("has both Content-Length and Transfer-Encoding");
        return new ResponseHead
        {
            Status = status,
            Headers = draft.Headers(passUpgrade: status == StatusCodes.Status101SwitchingProtocols),
            Framing = draft.IsChunked ? BodyFraming.Chunked : draft.Length is null ? BodyFraming.UntilClose : BodyFraming.Length,
            ContentLength = draft.Length,
            IsPersistent = !draft.Has("close") && (isHttp11 || draft.Has("keep-alive")),
            PromisesKeepAlive = draft.Has("keep-alive"),
            Size = bytes.Length,
        };
    }

    // HTTP/1.1 200 OK
    private static (int Status, bool IsHttp11) StatusLine(ReadOnlySpan<byte> line)
    {
        if (!line.StartsWith("HTTP/1."u8) || line.Length < 12 || line[7] is not ((byte)'0' or (byte)'1') || line[8] != ' ' || line.Length > 12 && line[12] != ' ')
            throw new BadAnswerException($"does not begin with an HTTP/1.1 status line but with '{Printable(line)}'");
        if (!int.TryParse(line.Slice(9, 3), NumberStyles.None, CultureInfo.InvariantCulture, out var status) || status is < 100 or > 599)
            throw new BadAnswerException($"has the status '{Printable(line.Slice(9, 3))}'; it must be 100 to 599");
        return (status, line[7] == '1');
    }

    private static ReadOnlySpan<byte> NextLine(ref ReadOnlySpan<byte> rest)
    {
        var lf = rest.IndexOf((byte)'\n');
        var line = rest[..lf];
        rest = rest[(lf + 1)..];
        return line.EndsWith("\r"u8) ? line[..^1] : line;
    }

    private static string Printable(ReadOnlySpan<byte> bytes)
    {
        var text = Encoding.ASCII.GetString(bytes[..Math.Min(bytes.Length, 40)]);
        return string.Create(text.Length, text, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++) span[i] = char.IsControl(source[i]) ? '?' : source[i];
        });
    }

    /// <summary>Headers as they are read.</summary>
    private struct Draft()
    {
        private readonly HeaderList _all = [];
        private string? _connection;

        public long? Length { get; private set; }

        public bool IsChunked { get; private set; }

        public readonly bool Has(string option) => _connection is not null && HeaderSyntax.IsNamedBy(_connection, option);

        public void Add(ReadOnlySpan<byte> line)
        {
            var colon = line.IndexOf((byte)':');
            if (colon < 0 || !HeaderSyntax.IsToken(line[..colon])) throw new BadAnswerException($"has a line that is no header: '{Printable(line)}'");
            var name = Encoding.ASCII.GetString(line[..colon]);
            var bytes = line[(colon + 1)..].Trim(" \t"u8);
            if (!HeaderSyntax.IsValue(bytes)) throw new BadAnswerException($"has control characters in the value of the header {name}");
            var value = Encoding.UTF8.GetString(bytes);
            if (name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)) TakeLength(value);
            else if (name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase)) TakeCoding(value);
            else if (name.Equals("Connection", StringComparison.OrdinalIgnoreCase)) _connection = _connection is null ? value : $"{_connection},{value}";
            else _all.Add(name, value);
        }

        public readonly HeaderList Headers(bool passUpgrade)
        {
            var connection = _connection;
            _all.RemoveAll(header => passUpgrade && header.Key.Equals("Upgrade", StringComparison.OrdinalIgnoreCase)
                ? false
                : HeaderSyntax.IsHopByHop(header.Key) || connection is not null && HeaderSyntax.IsNamedBy(connection, header.Key));
            return _all;
        }

        // RFC 9112 section 6.3: equal values may repeat, different ones are an attack or a mistake.
        private void TakeLength(string value)
        {
            foreach (var range in value.AsSpan().Split(','))
            {
                if (!long.TryParse(value.AsSpan()[range].Trim(" \t"), NumberStyles.None, CultureInfo.InvariantCulture, out var length) || Length is { } other && other != length)
                    throw new BadAnswerException($"has the Content-Length '{HeaderText(value)}'");
                Length = length;
            }
        }

        private void TakeCoding(string value)
        {
            if (IsChunked || !value.Equals("chunked", StringComparison.OrdinalIgnoreCase)) throw new BadAnswerException($"has the Transfer-Encoding '{HeaderText(value)}'; only chunked is understood");
            IsChunked = true;
        }

        private static string HeaderText(string value) => value.Length > 40 ? value[..40] : value;
    }
}

/// <summary>How a body's end is found (RFC 9112 section 6.3).</summary>
internal enum BodyFraming
{
    /// <summary>After as many bytes as Content-Length says.</summary>
    Length,

    /// <summary>After the last chunk.</summary>
    Chunked,

    /// <summary>Where the connection ends.</summary>
    UntilClose,
}
