using System.Buffers;
using System.Buffers.Binary;

namespace Stint.Backends.Containers.Engine;

/// <summary>
/// A container's output off the wire. Without a terminal it comes in messages, each with a head: <c>stream 0 0 0 length(4, big-endian)</c> (Engine API, "Stream format").
/// </summary>
internal sealed class OutputReader : IAsyncDisposable
{
    // What a moment with nanoseconds and a zone takes at most, so that the first piece of a message always has all of it.
    private const int LeastFirstPiece = 40;
    private const int HeadLength = 8;

    private readonly EngineStream _stream;
    private readonly bool _isRaw;
    private SequencePosition? _consumed;
    private OutputKind _kind;
    private uint _left;

    /// <summary>Takes over the stream.</summary>
    public OutputReader(EngineStream stream, bool isTerminal)
    {
        _stream = stream;
        _isRaw = isTerminal;
    }

    /// <summary>The next piece; its bytes are good until the next call. Null = the output has ended.</summary>
    /// <exception cref="EngineException">The connection ended in the middle, or something else came.</exception>
    public async ValueTask<OutputPiece?> ReadAsync(CancellationToken cancellationToken)
    {
        if (_consumed is { } last) _stream.Advance(last, last);
        _consumed = null;
        while (true)
        {
            var read = await _stream.ReadAsync(cancellationToken);
            if (TryTake(read.Buffer, read.IsCompleted, out var piece, out var consumed))
            {
                _consumed = consumed;
                return piece;
            }
            if (read.IsCompleted)
            {
                if (!read.Buffer.Slice(consumed).IsEmpty || _left > 0) throw _stream.Unreadable("output that ends in the middle of a message");
                _consumed = read.Buffer.End;
                return null;
            }
            _stream.Advance(consumed, read.Buffer.End);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    // consumed: what need not be looked at again, also when there is no piece yet.
    private bool TryTake(in ReadOnlySequence<byte> buffer, bool isLast, out OutputPiece piece, out SequencePosition consumed)
    {
        (piece, consumed) = (default, buffer.Start);
        if (_isRaw)
        {
            if (buffer.IsEmpty) return false;
            piece = new OutputPiece(OutputKind.Stdout, buffer.First, IsStart: false);
            consumed = buffer.GetPosition(buffer.First.Length);
            return true;
        }
        var rest = buffer;
        var isStart = false;
        while (_left == 0)
        {
            if (rest.Length < HeadLength) return false;
            var (kind, length) = ReadHead(rest);
            // Waits for all of a short message, so that the head is read once only.
            var least = Math.Min(length, LeastFirstPiece);
            if (rest.Length < HeadLength + least && !isLast) return false;
            rest = rest.Slice(HeadLength);
            if (length == 0) consumed = rest.Start;
            (_kind, _left, isStart) = (kind, length, true);
        }
        if (rest.IsEmpty) return false;
        var bytes = rest.First.Length >= Math.Min(_left, LeastFirstPiece) || !isStart ? rest.First : rest.Slice(0, Math.Min(rest.Length, LeastFirstPiece)).ToArray();
        if (bytes.Length > _left) bytes = bytes[..(int)_left];
        _left -= (uint)bytes.Length;
        piece = new OutputPiece(_kind, bytes, isStart);
        consumed = rest.GetPosition(bytes.Length);
        return true;
    }

    private (OutputKind Kind, uint Length) ReadHead(in ReadOnlySequence<byte> buffer)
    {
        Span<byte> head = stackalloc byte[HeadLength];
        buffer.Slice(0, HeadLength).CopyTo(head);
        if (head[0] > 3 || head[1] != 0 || head[2] != 0 || head[3] != 0) throw _stream.Unreadable("output that is not divided into messages");
        // 3 is an error of the engine's own; 0 stands for standard input and is seen with old engines only.
        return (head[0] is 2 or 3 ? OutputKind.Stderr : OutputKind.Stdout, BinaryPrimitives.ReadUInt32BigEndian(head[4..]));
    }
}

/// <summary>A piece of a container's output.</summary>
/// <param name="Kind">Where it was written.</param>
/// <param name="Bytes">Good until the next reading.</param>
/// <param name="IsStart">It begins a message; it then has its moment whole, when moments were asked for.</param>
internal readonly record struct OutputPiece(OutputKind Kind, ReadOnlyMemory<byte> Bytes, bool IsStart);

/// <summary>Where a container writes.</summary>
internal enum OutputKind
{
    /// <summary>Standard output.</summary>
    Stdout,

    /// <summary>Standard error.</summary>
    Stderr,
}
