namespace Stint.Ingress.Grpc.Wire;

/// <summary>The request header <c>grpc-timeout</c>: <c>TimeoutValue = 1*8DIGIT; TimeoutUnit = H / M / S / m / u / n</c> (doc/PROTOCOL-HTTP2.md).</summary>
internal static class GrpcTimeout
{
    private const int MaxDigits = 8;
    private const long NanosecondsPerTick = 100;

    /// <summary>Reads one. Nanoseconds are rounded up, so that only a zero is zero.</summary>
    /// <returns>False when the text is none; the greatest is 99,999,999 hours.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > MaxDigits + 1) return false;
        long value = 0;
        foreach (var digit in text[..^1])
        {
            if (!char.IsAsciiDigit(digit)) return false;
            value = value * 10 + (digit - '0');
        }
        long? ticks = text[^1] switch
        {
            'H' => value * TimeSpan.TicksPerHour,
            'M' => value * TimeSpan.TicksPerMinute,
            'S' => value * TimeSpan.TicksPerSecond,
            'm' => value * TimeSpan.TicksPerMillisecond,
            'u' => value * TimeSpan.TicksPerMicrosecond,
            'n' => (value + NanosecondsPerTick - 1) / NanosecondsPerTick,
            _ => null,
        };
        timeout = new TimeSpan(ticks ?? 0);
        return ticks is not null;
    }
}
