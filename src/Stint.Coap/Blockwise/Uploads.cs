using Stint.Coap.Exchanges;
using Stint.Coap.Messages;

namespace Stint.Coap.Blockwise;

/// <summary>What a block of an upload led to.</summary>
/// <param name="Code">The code to answer with at once; <see cref="CoapCode.Empty"/> when the body is whole and the request can run.</param>
/// <param name="Block">The Block1 option of the answer.</param>
/// <param name="Body">The whole body.</param>
/// <param name="IsRepeated">The last block of a body that has been run: there is nothing to answer, the answer is on its way under the block's first id.</param>
internal readonly record struct UploadStep(CoapCode Code, BlockValue Block, ReadOnlyMemory<byte> Body = default, bool IsRepeated = false)
{
    public bool IsComplete => Code == CoapCode.Empty && !IsRepeated;
}

/// <summary>
/// Bodies that come up in blocks (RFC 7959 §2.5). Blocks must come in order; one transfer per peer and resource, and block 0 starts it anew.
/// </summary>
internal sealed class Uploads : IDeadlines
{
    /// <summary>The first piece of memory for a body, bytes. The size that a client announces is not believed before the bytes are here.</summary>
    private const int FirstCapacity = 4096;

    private readonly CoapServerOptions _options;
    private readonly DeadlineClock _clock;
    private readonly Lock _gate = new();
    private readonly TransferStore<Upload> _store;
    private readonly int _exponent;

    public Uploads(CoapServerOptions options, DeadlineClock clock)
    {
        (_options, _clock) = (options, clock);
        _exponent = BlockValue.ExponentOf(options.BlockSize);
        _store = new TransferStore<Upload>(options.MaxTransfers, options.MaxTransferBytes, (long)options.TransferLifetime.TotalMilliseconds);
        clock.Add(this);
    }

    /// <summary>Transfers under way and the bytes they hold.</summary>
    public (int Count, long Bytes) Size
    {
        get
        {
            lock (_gate) return (_store.Count, _store.Bytes);
        }
    }

    /// <summary>Takes a block; the request must have a Block1 option with a valid exponent.</summary>
    public UploadStep Accept(CoapRequest request)
    {
        var block = request.Block1!.Value;
        var payload = request.Payload.Span;

        // With the answer to block 0 we may ask for smaller blocks, never for larger ones; the client counts on in the new unit (§2.5).
        var reply = block.Number == 0 ? block with { Exponent = Math.Min(block.Exponent, _exponent) } : block;
        if (block.More ? payload.Length != block.Size : payload.Length > block.Size) return new(CoapCode.BadRequest, reply);
        if (block.Offset + payload.Length > _options.MaxBody || request.Size1 > _options.MaxBody)
        {
            Forget(request);
            return new(CoapCode.RequestEntityTooLarge, reply with { More = false });
        }

        if (block is { Number: 0, More: false })
        {
            Forget(request);
            return new(CoapCode.Empty, reply, request.Payload);
        }

        var now = _clock.Now;
        var key = RequestKey.ForUpload(request);
        lock (_gate)
        {
            var upload = Find_NeedsLock(key, block, now, payload.Length);
            if (upload is { IsFinished: true } && block.Offset + payload.Length <= upload.Length)
                return block.More ? new(CoapCode.Continue, reply) : new(CoapCode.Empty, reply, IsRepeated: true);
            if (upload is not null && block.More && upload.Holds(block.Offset, payload)) return new(CoapCode.Continue, reply);
            if (upload is null or { IsFinished: true } || upload.Length != block.Offset) return new(CoapCode.RequestEntityIncomplete, reply);
            if (!Append_NeedsLock(key, upload, payload)) return new(CoapCode.ServiceUnavailable, reply);
            upload.ContentFormat ??= request.ContentFormat;
            if (block.More) return new(CoapCode.Continue, reply);

            // The bytes leave with the request; that they were here is remembered for blocks that come once more.
            _store.Put(key, new Upload(0) { Length = upload.Length, IsFinished = true }, 0, now);
            request.ContentFormat ??= upload.ContentFormat;
            return new(CoapCode.Empty, reply, upload.Buffer.AsMemory(0, upload.Length));
        }
    }

    /// <inheritdoc/>
    public long RunDue(long now)
    {
        lock (_gate) return _store.Expire(now);
    }

    private Upload? Find_NeedsLock(in RequestKey key, BlockValue block, long now, int firstLength)
    {
        if (block.Number > 0) return _store.TryTouch(key, now, out var known) ? known : null;
        var upload = new Upload(Math.Max(firstLength, FirstCapacity));
        if (!_store.Put(key, upload, upload.Buffer.Length, now)) return null;
        _clock.Expect(now + (long)_options.TransferLifetime.TotalMilliseconds);
        return upload;
    }

    private bool Append_NeedsLock(in RequestKey key, Upload upload, ReadOnlySpan<byte> payload)
    {
        var needed = upload.Length + payload.Length;
        if (needed > upload.Buffer.Length)
        {
            var capacity = (int)Math.Min(Math.Max(needed, upload.Buffer.Length * 2L), Math.Max(needed, _options.MaxBody));
            if (!_store.Charge(key, capacity - upload.Buffer.Length)) return false;
            Array.Resize(ref upload.Buffer, capacity);
        }

        payload.CopyTo(upload.Buffer.AsSpan(upload.Length));
        upload.Length = needed;
        return true;
    }

    private void Forget(CoapRequest request)
    {
        lock (_gate)
        {
            if (_store.Count > 0) _store.Remove(RequestKey.ForUpload(request));
        }
    }

    private sealed class Upload(int capacity)
    {
        public byte[] Buffer = new byte[capacity];

        public int Length { get; set; }

        /// <summary>Whether the body was whole and has gone to the handler.</summary>
        public bool IsFinished { get; init; }

        /// <summary>
        /// Whether these bytes are here already. A client that takes a late copy of an old acknowledgement for a new one (libcoap 4.3 does) sends blocks again
        /// under new message ids; that does no harm and must not end the transfer.
        /// </summary>
        public bool Holds(long offset, ReadOnlySpan<byte> bytes) =>
            !IsFinished && offset + bytes.Length <= Length && Buffer.AsSpan((int)offset, bytes.Length).SequenceEqual(bytes);

        /// <summary>As the first block that named it said.</summary>
        public int? ContentFormat { get; set; }
    }
}
