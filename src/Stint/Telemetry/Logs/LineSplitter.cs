using System.Text;

namespace Stint.Telemetry.Logs;

/// <summary>
/// Cuts one stream of output into lines. A line longer than <see cref="MaxLine"/> is cut into several; bytes that are no UTF-8 become U+FFFD; carriage returns at a line's end go.
/// </summary>
internal sealed class LineSplitter(Action<string> onLine)
{
    /// <summary>The longest line, bytes: arbitrary, larger than any line that a person reads.</summary>
    public const int MaxLine = 16 * 1024;

    private byte[] _rest = [];
    private int _length;

    /// <summary>Takes a piece of output; an empty one is the end of the stream.</summary>
    public void Take(ReadOnlySpan<byte> piece)
    {
        if (piece.IsEmpty && _length > 0) Emit([]);
        while (!piece.IsEmpty)
        {
            var end = piece.IndexOf((byte)'\n');
            var line = end < 0 ? piece : piece[..end];
            if (_length + line.Length > MaxLine)
            {
                var fits = MaxLine - _length;
                Emit(line[..fits]);
                piece = piece[fits..];
                continue;
            }
            if (end < 0)
            {
                Keep(line);
                return;
            }
            Emit(line);
            piece = piece[(end + 1)..];
        }
    }

    private void Keep(ReadOnlySpan<byte> line)
    {
        if (_rest.Length < _length + line.Length) Array.Resize(ref _rest, Math.Max(256, (_length + line.Length) * 2));
        line.CopyTo(_rest.AsSpan(_length));
        _length += line.Length;
    }

    private void Emit(ReadOnlySpan<byte> line)
    {
        if (_length > 0)
        {
            Keep(line);
            line = _rest.AsSpan(0, _length);
            _length = 0;
        }
        onLine(Encoding.UTF8.GetString(line.TrimEnd((byte)'\r')));
    }
}
