using Stint.Watchdog.Loops;
using Stint.Watchdog.Settings;
using Stint.Watchdog.Telemetry;

namespace Stint.Watchdog.Functions;

/// <summary>Copies a stream of a process to the log, line by line.</summary>
internal sealed class LineLog(Descriptor pipe, byte[] stream, WatchdogSettings settings, int log = 2)
{
    private byte[] _line = new byte[512];
    private int _length;

    /// <summary>Copies until the stream ends.</summary>
    public async Task RunAsync()
    {
        var piece = new byte[4096];
        while (await pipe.ReadAsync(piece, 0, piece.Length) is > 0 and var count) Take(piece.AsSpan(0, count));
        Flush();
    }

    /// <summary>Copies what there is now: its process has ended, and whoever else holds the stream has no reader any more.</summary>
    public void Drain()
    {
        Span<byte> piece = stackalloc byte[4096];
        // At most what a pipe can hold by default, 64 KiB, or as it was set, 1 MiB.
        for (var rounds = 0; rounds < 256; rounds++)
        {
            var count = pipe.TryRead(piece);
            if (count <= 0) break;
            Take(piece[..count]);
        }
        Flush();
        pipe.Dispose();
    }

    private void Take(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            var part = end < 0 ? bytes : bytes[..end];
            bytes = end < 0 ? default : bytes[(end + 1)..];
            while (_length + part.Length > settings.LogBufferSize)
            {
                var fits = settings.LogBufferSize - _length;
                Append(part[..fits]);
                part = part[fits..];
                WriteLine();
            }
            Append(part);
            if (end >= 0) WriteLine();
        }
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        if (_line.Length - _length < bytes.Length) Array.Resize(ref _line, Math.Max(_line.Length * 2, _length + bytes.Length));
        bytes.CopyTo(_line.AsSpan(_length));
        _length += bytes.Length;
    }

    private void Flush()
    {
        if (_length > 0) WriteLine();
    }

    private void WriteLine()
    {
        WatchdogLog.WriteLine(_line.AsSpan(0, _length), stream, settings.PrefixLogs, log);
        _length = 0;
    }
}
