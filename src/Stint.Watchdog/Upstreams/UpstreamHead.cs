using Stint.Watchdog.Http;

namespace Stint.Watchdog.Upstreams;

/// <summary>The head of an answer of the function.</summary>
internal sealed class UpstreamHead
{
    /// <summary>The fields; in the connection's input, valid until more is read.</summary>
    public HeaderFields Fields { get; } = new();

    /// <summary>The status.</summary>
    public int Code { get; private set; }

    /// <summary>The words after it.</summary>
    public byte[] Reason { get; private set; } = [];

    /// <summary>How the body ends.</summary>
    public Framing Framing { get; private set; }

    /// <summary>Whether the connection serves another call afterwards.</summary>
    public bool KeepsAlive { get; private set; }

    /// <summary>Reads a head (RFC 9112 section 4): <c>HTTP-version SP status-code SP [ reason ] CRLF *( field-line CRLF ) CRLF</c>.</summary>
    public bool TryRead(byte[] bytes, int start, int end, bool answersHead)
    {
        var line = bytes.AsSpan(start, end - start);
        line = line[..line.IndexOf("\r\n"u8)];
        if (line.Length < 12 || !line.StartsWith("HTTP/1."u8) || line[8] != ' ' || line[9..12].ContainsAnyExceptInRange((byte)'0', (byte)'9') || (line.Length > 12 && line[12] != ' ')) return false;
        Code = (line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0';
        var reason = line.Length > 13 ? line[13..] : default;
        if (Code < 100 || !HttpWords.IsFieldText(reason)) return false;
        Reason = HttpWords.Reason(Code).SequenceEqual(reason) ? [] : reason.ToArray();
        if (!Fields.TryRead(bytes, start + line.Length + 2, end - 2) || Framing.TryRead(Fields, BodyEnd.Close, out var framing) != 0) return false;
        Framing = answersHead || Code is 204 or 304 or < 200 ? framing with { End = BodyEnd.None } : framing;
        KeepsAlive = line[7] != '0' && !Fields.Lists("Connection"u8, "close"u8) && Framing.End != BodyEnd.Close;
        return true;
    }
}
