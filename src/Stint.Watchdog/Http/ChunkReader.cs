namespace Stint.Watchdog.Http;

/// <summary>
/// Takes the framing off a chunked body (RFC 9112 section 7.1): <c>*( chunk-size [ ext ] CRLF data CRLF ) "0" [ ext ] CRLF *( field-line CRLF ) CRLF</c>. Fed with what comes, in pieces of any size; trailers are read and dropped.
/// </summary>
internal sealed class ChunkReader
{
    private const int MaxLine = 4096; // arbitrary: of a size with its extensions, or of a trailer
    private const int MaxTrailers = 64 * 1024;

    private enum Place
    {
        Size,
        Extension,
        SizeEnd,
        Data,
        DataReturn,
        DataEnd,
        TrailerStart,
        Trailer,
        TrailerEnd,
        LastEnd,
        Over,
    }

    private Place _place;
    private long _left;
    private int _digits, _line, _trailers;

    /// <summary>Whether the last chunk and the trailers are through.</summary>
    public bool IsOver => _place == Place.Over;

    /// <summary>Begins a new body.</summary>
    public void Reset() => (_place, _left, _digits, _line, _trailers) = (Place.Size, 0, 0, 0, 0);

    /// <summary>Takes bytes: moves data to <paramref name="data"/> until that is full or the input is used up.</summary>
    /// <param name="input">What came.</param>
    /// <param name="used">How much of it was taken.</param>
    /// <param name="data">Where data goes; may be the input's own memory.</param>
    /// <param name="written">How much data there was.</param>
    /// <returns>False when it is not chunked as it should be.</returns>
    public bool TryTake(ReadOnlySpan<byte> input, out int used, Span<byte> data, out int written)
    {
        (used, written) = (0, 0);
        while (used < input.Length && !IsOver)
        {
            if (_place == Place.Data)
            {
                var count = (int)Math.Min(Math.Min(_left, input.Length - used), data.Length - written);
                if (count == 0) return true;
                input.Slice(used, count).CopyTo(data[written..]);
                (used, written, _left) = (used + count, written + count, _left - count);
                if (_left == 0) _place = Place.DataReturn;
                continue;
            }
            if (!Step(input[used++])) return false;
        }
        return true;
    }

    private bool Step(byte b)
    {
        if (++_line > MaxLine) return false;
        switch (_place)
        {
            case Place.Size:
                if (char.IsAsciiHexDigit((char)b))
                {
                    if (++_digits > 15) return false; // more would not be a long
                    _left = _left * 16 + HexValue(b);
                    return true;
                }
                if (_digits == 0) return false;
                _place = b == '\r' ? Place.SizeEnd : Place.Extension;
                return b is (byte)'\r' or (byte)';' or (byte)' ' or (byte)'\t';
            case Place.Extension:
                if (b == '\r') _place = Place.SizeEnd;
                return b is not (byte)'\n';
            case Place.SizeEnd:
                (_place, _line) = (_left == 0 ? Place.TrailerStart : Place.Data, 0);
                return b == '\n';
            case Place.DataReturn:
                _place = Place.DataEnd;
                return b == '\r';
            case Place.DataEnd:
                (_place, _digits, _line) = (Place.Size, 0, 0);
                return b == '\n';
            case Place.TrailerStart:
                _place = b == '\r' ? Place.LastEnd : Place.Trailer;
                return b is not (byte)'\n' && ++_trailers <= MaxTrailers;
            case Place.Trailer:
                if (b == '\r') _place = Place.TrailerEnd;
                return b is not (byte)'\n' && ++_trailers <= MaxTrailers;
            case Place.TrailerEnd:
                (_place, _line) = (Place.TrailerStart, 0);
                return b == '\n';
            case Place.LastEnd:
                _place = Place.Over;
                return b == '\n';
            case Place.Data or Place.Over:
            default:
                return false;
        }
    }

    private static int HexValue(byte digit) => digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}
