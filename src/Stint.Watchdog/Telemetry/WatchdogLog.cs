using System.Globalization;
using System.Text;
using Stint.Watchdog.Posix;

namespace Stint.Watchdog.Telemetry;

/// <summary>Log lines on standard error, in the form that log readers of the Go watchdogs know: <c>2026/11/21 13:40:00 text</c>, in UTC. Each line is one write(2), so that lines of several threads and processes do not mix.</summary>
internal static unsafe class WatchdogLog
{
    private const int StandardError = 2;

    [ThreadStatic] private static byte[]? t_line;

    /// <summary>Where the time comes from.</summary>
    public static TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Writes a line of the watchdog's own.</summary>
    public static void Write(string text)
    {
        Span<byte> bytes = text.Length <= 500 ? stackalloc byte[1500] : new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        WriteLine(bytes[..Encoding.UTF8.GetBytes(text, bytes)], default, prefixed: true);
    }

    /// <summary>Writes a line of the function's.</summary>
    /// <param name="line">Without its end.</param>
    /// <param name="stream">Which stream it came from; shown in a prefix only.</param>
    /// <param name="prefixed">Whether time and stream stand before it.</param>
    /// <param name="descriptor">Where it is written.</param>
    public static void WriteLine(ReadOnlySpan<byte> line, ReadOnlySpan<byte> stream, bool prefixed, int descriptor = StandardError)
    {
        var needed = line.Length + stream.Length + 32;
        var buffer = t_line is { } kept && kept.Length >= needed ? kept : t_line = new byte[Math.Max(needed, 512)];
        var length = 0;
        if (prefixed)
        {
            _ = Time.GetUtcNow().TryFormat(buffer, out length, "yyyy'/'MM'/'dd HH':'mm':'ss ", CultureInfo.InvariantCulture);
            if (!stream.IsEmpty)
            {
                stream.CopyTo(buffer.AsSpan(length));
                length += stream.Length;
                ": "u8.CopyTo(buffer.AsSpan(length));
                length += 2;
            }
        }
        line.CopyTo(buffer.AsSpan(length));
        // A line of our own has a request's path in it, which is the caller's: no control character of it reaches a terminal or begins a line of its own.
        if (stream.IsEmpty) Plain(buffer.AsSpan(length, line.Length));
        length += line.Length;
        buffer[length++] = (byte)'\n';
        Put(descriptor, buffer.AsSpan(0, length));
        if (buffer.Length > 64 * 1024) t_line = null;
    }

    private static void Plain(Span<byte> text)
    {
        foreach (ref var b in text)
        {
            if (b is < 0x20 and not (byte)'\t' or 0x7f) b = (byte)'?';
        }
    }

    /// <summary>Writes bytes as they are, all of them; a log that cannot be written is no reason to fail a call.</summary>
    public static void Put(int descriptor, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            for (var done = 0; done < bytes.Length;)
            {
                var count = Libc.write(descriptor, start + done, bytes.Length - done);
                if (count < 0 && Libc.Error != Libc.ErrorInterrupted) return;
                if (count > 0) done += (int)count;
            }
        }
    }
}
