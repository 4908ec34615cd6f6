using System.Buffers;
using System.Net.Sockets;

namespace Stint.Backends.Processes.Protocol;

/// <summary>
/// Reads frames from a socket, usually one receive for one frame. The buffer is rented and can be given away with the frame in it, so that a reply's body reaches the caller without
/// a copy. One reader at a time.
/// </summary>
internal sealed class FrameReader(Socket socket) : IDisposable
{
    // Fits an answer of a few kilobytes; a connection whose frames are larger keeps a larger one from then on.
    private const int SmallBuffer = 4096;

    private byte[]? _buffer;
    private int _start;  // of what has not been consumed
    private int _filled;
    private int _size = SmallBuffer;

    /// <summary>The next frame; null when the instance has closed the connection between two frames.</summary>
    /// <exception cref="ProtocolException">The bytes are no frame.</exception>
    /// <exception cref="IOException">The connection broke, or ended in the middle of a frame.</exception>
    public async ValueTask<Frame?> ReadAsync(CancellationToken cancellationToken = default)
    {
        FrameHeader? header;
        while ((header = PeekHeader()) is null || _filled - _start < header.Value.FrameSize)
        {
            MakeRoom(header?.FrameSize ?? Frame.HeaderSize);
            int count;
            try
            {
                count = await socket.ReceiveAsync(_buffer.AsMemory(_filled), SocketFlags.None, cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException failure)
            {
                throw new IOException(failure.Message, failure);
            }
            if (count == 0) return _filled == _start ? null : throw new IOException("the connection ended in the middle of a frame");
            _filled += count;
        }

        var (type, more, status, headSize, bodySize) = header.Value;
        var head = _buffer.AsMemory(_start + Frame.HeaderSize, headSize);
        var body = _buffer.AsMemory(_start + Frame.HeaderSize + headSize, bodySize);
        _start += header.Value.FrameSize;
        return new Frame(type, more, status, head, body);
    }

    /// <summary>
    /// Gives away the buffer that the last frame lies in, or null when bytes of the next frame are in it, too: then the frame must be copied.
    /// </summary>
    public byte[]? TakeBuffer()
    {
        if (_start != _filled) return null;
        var buffer = _buffer;
        _buffer = null;
        _start = _filled = 0;
        return buffer;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_buffer is { } buffer) ArrayPool<byte>.Shared.Return(buffer);
        _buffer = null;
        _start = _filled = 0;
    }

    private FrameHeader? PeekHeader()
    {
        if (_filled - _start < Frame.HeaderSize) return null;
        return Frame.ReadHeader(_buffer.AsSpan(_start)) ?? throw new ProtocolException("a frame with impossible sizes or flags");
    }

    private void MakeRoom(int needed)
    {
        _size = Math.Max(_size, needed);
        if (_buffer is null)
        {
            _buffer = ArrayPool<byte>.Shared.Rent(_size);
            return;
        }
        if (_start == _filled) _start = _filled = 0;
        if (_buffer.Length - _start >= needed && _filled < _buffer.Length) return;
        var rest = _buffer.AsSpan(_start, _filled - _start);
        if (_buffer.Length >= needed)
        {
            rest.CopyTo(_buffer);
        }
        else
        {
            var larger = ArrayPool<byte>.Shared.Rent(needed);
            rest.CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }
        _filled -= _start;
        _start = 0;
    }
}
