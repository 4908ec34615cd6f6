using System.Runtime.CompilerServices;

namespace Stint.Backends.Upstream;

/// <summary>
/// Takes the chunked transfer coding (RFC 9112 section 7.1) off a body, in place, wherever its bytes were cut. Chunk extensions are skipped, trailers are skipped: nobody asked for them.
/// <code>
///   chunk = size-in-hex [;extension] CRLF data CRLF,   … 0 CRLF *( trailer CRLF ) CRLF
/// </code>
/// A bare LF ends a line as well (RFC 9112 section 2.2): small guests write it.
/// </summary>
internal sealed class ChunkedDecoder
{
    /// <summary>The most bytes of a size's line, and of all trailers together.</summary>
    public const int MaxLine = 4096, MaxTrailers = ResponseHead.MaxSize;

    private State _state = State.Size;
    private long _size;
    private int _digits, _line, _trailers;

    private enum State
    {
        Size,
        Extension,
        SizeEnd,
        Data,
        DataCr,
        DataLf,
        TrailerStart,
        Trailer,
        LastLf,
        Done,
    }

    /// <summary>Whether the last byte of the body has been seen.</summary>
    public bool IsDone => _state == State.Done;

    /// <summary>
    /// Decodes. The data of all chunks in <paramref name="bytes"/> is moved together, behind the first of it.
    /// </summary>
    /// <param name="bytes">What has come; its content is undefined afterwards but for the data.</param>
    /// <param name="consumed">How much of it belonged to this body.</param>
    /// <returns>Where the data lies in <paramref name="bytes"/>.</returns>
    /// <exception cref="BadAnswerException">The coding is broken.</exception>
    public Range Decode(Span<byte> bytes, out int consumed)
    {
        int at = 0, start = 0, end = 0;
        while (at < bytes.Length && _state != State.Done)
        {
            if (_state != State.Data)
            {
                Step(bytes[at++]);
                continue;
            }
            var run = (int)Math.Min(_size, bytes.Length - at);
            if (start == end) start = end = at;
            else if (end != at) bytes.Slice(at, run).CopyTo(bytes[end..]);
            end += run;
            at += run;
            _size -= run;
            if (_size == 0) _state = State.DataCr;
        }
        consumed = at;
        return start..end;
    }

    private void Step(byte b)
    {
        switch (_state)
        {
            case State.Size when Hex(b) is var digit and >= 0:
                // 15 digits are an exabyte; more could overflow.
                if (++_digits > 15) throw Broken("a chunk's size is too large");
                _size = (_size << 4) + digit;
                break;
            case State.Size when _digits > 0 && b is (byte)';' or (byte)' ' or (byte)'\t':
                _state = State.Extension;
                break;
            case State.Size or State.Extension or State.SizeEnd when b == '\n' && _digits > 0:
                EndSize();
                break;
            case State.Size or State.Extension when b == '\r' && _digits > 0:
                _state = State.SizeEnd;
                break;
            case State.Extension:
                if (++_line > MaxLine) throw Broken("a chunk's extension is too long");
                break;
            case State.DataCr when b == '\r':
                _state = State.DataLf;
                break;
            case State.DataCr or State.DataLf when b == '\n':
                (_state, _digits, _line) = (State.Size, 0, 0);
                break;
            case State.TrailerStart when b == '\r':
                _state = State.LastLf;
                break;
            case State.TrailerStart or State.LastLf when b == '\n':
                _state = State.Done;
                break;
            case State.TrailerStart or State.Trailer:
                if (++_trailers > MaxTrailers) throw Broken("the trailers are too long");
                _state = b == '\n' ? State.TrailerStart : State.Trailer;
                break;
            default:
                throw Broken("a chunk is malformed");
        }
    }

    private void EndSize() => _state = _size > 0 ? State.Data : State.TrailerStart;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Hex(byte b) => char.IsAsciiHexDigit((char)b) ? b <= '9' ? b - '0' : (b | 0x20) - 'a' + 10 : -1;

    private static BadAnswerException Broken(string what) => new($"breaks the chunked coding: {what}");
}
