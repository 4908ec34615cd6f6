namespace Stint.Watchdog.Http;

/// <summary>The head of one request, as places in the bytes it was read from.</summary>
internal sealed class RequestHead
{
    private byte[] _bytes = [];
    private (int Start, int Length) _method, _target;
    private byte[]? _redirected;

    /// <summary>The fields.</summary>
    public HeaderFields Fields { get; } = new();

    /// <summary>The method.</summary>
    public ReadOnlySpan<byte> Method => _bytes.AsSpan(_method.Start, _method.Length);

    /// <summary>The target in origin form: path and query.</summary>
    public ReadOnlySpan<byte> Target => _redirected ?? _bytes.AsSpan(_target.Start, _target.Length);

    /// <summary>The target's path, still percent-encoded.</summary>
    public ReadOnlySpan<byte> Path => Target.IndexOf((byte)'?') is var mark and >= 0 ? Target[..mark] : Target;

    /// <summary>The target's query without its question mark.</summary>
    public ReadOnlySpan<byte> Query => Target.IndexOf((byte)'?') is var mark and >= 0 ? Target[(mark + 1)..] : default;

    /// <summary>Whether it is HTTP/1.1 rather than 1.0.</summary>
    public bool IsOneOne { get; private set; }

    /// <summary>Whether the client keeps the connection (RFC 9112 section 9.3).</summary>
    public bool KeepsAlive { get; private set; }

    /// <summary>How the body ends.</summary>
    public Framing Framing { get; private set; }

    /// <summary>Whether the client waits to be told to send the body.</summary>
    public bool ExpectsContinue { get; private set; }

    /// <summary>Reads a head (RFC 9112 section 3): <c>method SP request-target SP HTTP-version CRLF *( field-line CRLF ) CRLF</c>.</summary>
    /// <param name="bytes">Where it is.</param>
    /// <param name="start">Where it begins.</param>
    /// <param name="end">After its empty line.</param>
    /// <returns>0, or the status that refuses it.</returns>
    public int TryRead(byte[] bytes, int start, int end)
    {
        (_bytes, _redirected) = (bytes, null);
        var line = bytes.AsSpan(start, end - start);
        line = line[..line.IndexOf("\r\n"u8)];
        var first = line.IndexOf((byte)' ');
        var last = line.LastIndexOf((byte)' ');
        if (first <= 0 || last <= first + 1) return 400;
        var version = line[(last + 1)..];
        if (version.Length != 8 || !version.StartsWith("HTTP/"u8) || version[6] != '.') return 400;
        if (version[5] != '1') return 505;
        IsOneOne = version[7] != '0';
        _method = (start, first);
        _target = (start + first + 1, last - first - 1);
        if (!HttpWords.IsToken(Method) || !HttpWords.IsTarget(Target)) return 400;
        if (!Fields.TryRead(bytes, start + line.Length + 2, end - 2)) return 400;
        if (!TryTakeOrigin()) return 400;

        var host = Fields.IndexOf("Host"u8);
        if (IsOneOne && host < 0 || host >= 0 && Fields.IndexOf("Host"u8, host + 1) >= 0) return 400;
        if (Framing.TryRead(Fields, BodyEnd.None, out var framing) is var refusal and not 0) return refusal;
        // HTTP/1.0 knows no chunks: who reads them there and who does not would disagree.
        if (framing.End == BodyEnd.Chunks && !IsOneOne) return 400;
        Framing = framing;
        KeepsAlive = IsOneOne ? !Fields.Lists("Connection"u8, "close"u8) : Fields.Lists("Connection"u8, "keep-alive"u8);
        var expectation = Fields.Find("Expect"u8);
        if (!expectation.IsEmpty && !System.Text.Ascii.EqualsIgnoreCase(expectation, "100-continue"u8)) return 417;
        ExpectsContinue = !expectation.IsEmpty && IsOneOne;
        return 0;
    }

    /// <summary>Asks for something else instead.</summary>
    public void Redirect(byte[] target) => _redirected = target;

    // RFC 9112 section 3.2: origin form; absolute form is cut to it; "*" is left as it is.
    private bool TryTakeOrigin()
    {
        if (Target[0] == '/' || Target is [(byte)'*'] && Method.SequenceEqual("OPTIONS"u8)) return true;
        if (Target.Length < 8 || !System.Text.Ascii.EqualsIgnoreCase(Target[..7], "http://"u8)) return false;
        var path = Target[7..].IndexOf((byte)'/');
        if (path < 0) return false;
        _target = (_target.Start + 7 + path, _target.Length - 7 - path);
        return true;
    }
}
