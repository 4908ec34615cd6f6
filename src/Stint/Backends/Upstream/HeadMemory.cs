namespace Stint.Backends.Upstream;

/// <summary>Reads heads. Most functions answer with the same head every time, but for the second in <c>Date</c>, so the last one is kept and given out again.</summary>
internal sealed class HeadMemory
{
    private const int MaxRemembered = 1024;

    private volatile Remembered? _last;

    /// <summary>The head at the beginning of what has come; null when it has not come to its end.</summary>
    /// <param name="bytes">What has come.</param>
    /// <param name="searched">How much of it was searched before.</param>
    /// <exception cref="BadAnswerException">It is none.</exception>
    public ResponseHead? TryRead(ReadOnlySpan<byte> bytes, int searched)
    {
        // It ends with the empty line that ends every head: what begins with it has no longer one.
        if (_last is { } last && bytes.StartsWith(last.Bytes)) return last.Head;
        var end = ResponseHead.FindEnd(bytes, searched);
        if (end < 0) return null;
        if (end > ResponseHead.MaxSize) throw new BadAnswerException($"has a head of more than {ResponseHead.MaxSize} bytes");
        var head = ResponseHead.Parse(bytes[..end]);
        if (end <= MaxRemembered) _last = new Remembered(bytes[..end].ToArray(), head);
        return head;
    }

    private sealed record Remembered(byte[] Bytes, ResponseHead Head);
}
