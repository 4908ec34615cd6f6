using System.Security.Cryptography;
using System.Text.Unicode;
using Stint.Coap.Admission;
using Stint.Coap.Exchanges;
using Stint.Coap.Messages;

namespace Stint.Coap.Blockwise;

/// <summary>How an answer is to leave.</summary>
/// <param name="Type">The message's type.</param>
/// <param name="MessageId">Its id.</param>
/// <param name="Block1">The Block1 option, when the request was an upload.</param>
/// <param name="Observe">The sequence number, when the answer goes to an observer.</param>
/// <param name="IsStored">Whether the response comes out of <see cref="Downloads"/> and need not be kept again.</param>
internal readonly record struct Envelope(
    CoapMessageType Type, ushort MessageId, BlockValue? Block1 = null, uint? Observe = null, bool IsStored = false);

/// <summary>
/// Turns a handler's response into the bytes of one message: picks the block that was asked for (RFC 7959 §2.4), keeps the rest for later, names it with an
/// ETag, and holds answers to unverified sources within the amplification bound (RFC 9175 §2.4).
/// </summary>
internal sealed class AnswerComposer(CoapServerOptions options, DeadlineClock clock, SourceVerification verification, Downloads downloads, CoapCounters counters)
{
    /// <summary>Room for any answer: a block, a token and options. A handler's own options beyond it end in 5.00.</summary>
    public const int BufferSize = 4096;

    private readonly int _maxExponent = BlockValue.ExponentOf(options.BlockSize);

    /// <summary>Writes the answer; returns its length.</summary>
    public int Compose(Span<byte> buffer, CoapRequest request, CoapResponse response, in Envelope envelope)
    {
        if (!response.Code.IsResponse) response = CoapResponse.Error(CoapCode.InternalServerError, $"{response.Code} is not a response code");
        scoped var parts = new ResponseParts { Type = envelope.Type, MessageId = envelope.MessageId, Token = request.Token, Block1 = envelope.Block1 };
        var limit = Limit(request);
        if (!response.Code.IsSuccess) return ComposeError(buffer, response, parts, limit);

        // Observers get the first block, whichever one the registration named (RFC 7959 §3.4).
        var asked = request.Block2 is { } block ? block with { Number = request.IsNotification ? 0 : block.Number } : new BlockValue(0, false, _maxExponent);
        if (asked.Number == 0 && !response.ETag.IsEmpty && request.HasETag(response.ETag.Span))
            return ComposeValid(buffer, response, parts, envelope.Observe);
        if (asked.Number > 0 && asked.Offset >= response.Payload.Length)
            return ComposeError(buffer, CoapResponse.Error(CoapCode.BadRequest, "there is no such block"), parts, limit);

        var largest = Math.Min(asked.Exponent, _maxExponent);
        var inBlocks = request.Block2 is not null || response.Payload.Length > 16 << largest;
        if (response.ETag.IsEmpty && response.Payload.Length > 16 << largest) response = response with { ETag = ContentTag(response) };
        parts.Code = response.Code;
        parts.Observe = envelope.Observe;
        parts.MaxAge = response.MaxAge;
        parts.Payload = response.Payload.Span;
        Span<byte> echo = stackalloc byte[SourceVerification.EchoLength];
        for (var exponent = largest; exponent >= 0; exponent--)
        {
            if (exponent < largest)
            {
                // The first try was too large for an unverified source: smaller blocks, and an Echo value that lifts the bound when it comes back.
                if (options.AmplificationAnswer == AmplificationAnswer.EchoChallenge || response.Payload.Length <= 16 << exponent) continue;
                if (response.ETag.IsEmpty) response = response with { ETag = ContentTag(response) };
                if (parts.Echo.IsEmpty) verification.WriteEcho(request.Peer, clock.Now, echo);
                parts.Echo = echo;
                inBlocks = true;
            }

            parts.ETag = response.ETag.Span;
            if (inBlocks && !TryCut(response, asked.Offset, exponent, request.WantsSize2, ref parts)) break;
            var length = ResponseWriter.Write(buffer, response, parts);
            if (length < 0) return ComposeError(buffer, CoapResponse.Error(CoapCode.InternalServerError, "the answer's options do not fit into a datagram"), parts, limit);
            if (length > limit) continue;
            if (!parts.Echo.IsEmpty) counters.Count(CoapEvent.AmplificationHeld);
            if (inBlocks && !envelope.IsStored && response.Payload.Length > 16 << exponent) downloads.Keep(request, response);
            return length;
        }

        counters.Count(CoapEvent.AmplificationHeld);
        return ComposeChallenge(buffer, request, parts);
    }

    /// <summary>The largest datagram that may go to this peer, bytes.</summary>
    private int Limit(CoapRequest request) =>
        options.AmplificationFactor == 0 || request.Block2 is not null || verification.IsVerified(request.Peer, clock.Now)
            ? int.MaxValue
            : (int)Math.Clamp((long)options.AmplificationFactor * request.ReceivedBytes, options.AmplificationFloor, int.MaxValue);

    private static ReadOnlyMemory<byte> ContentTag(CoapResponse response) => SHA256.HashData(response.Payload.Span).AsMemory(0, 8);

    private static bool TryCut(CoapResponse response, long offset, int exponent, bool wantsSize, ref ResponseParts parts)
    {
        var size = 16 << exponent;
        var total = response.Payload.Length;
        var end = (int)Math.Min(offset + size, total);
        var block = new BlockValue((int)(offset / size), end < total, exponent);
        parts.Block2 = block;
        parts.Payload = response.Payload.Span[(int)offset..end];
        parts.Size2 = wantsSize || (offset == 0 && block.More) ? (uint)total : null;
        return block.IsWritable;
    }

    private int ComposeError(Span<byte> buffer, CoapResponse response, scoped ResponseParts parts, int limit)
    {
        var text = response.Payload.Span;
        if (text.Length > options.BlockSize)
        {
            // Cut between characters.
            var cut = options.BlockSize;
            while (cut > options.BlockSize - 4 && !Utf8.IsValid(text[..cut])) cut--;
            text = text[..cut];
        }

        var error = new ResponseParts
        {
            Type = parts.Type,
            MessageId = parts.MessageId,
            Token = parts.Token,
            Code = response.Code,
            Block1 = parts.Block1,
            MaxAge = response.MaxAge,
            Size1 = response.Code == CoapCode.RequestEntityTooLarge ? (uint)options.MaxBody : null,
            Payload = text,
        };
        var length = ResponseWriter.Write(buffer, response, error);
        if (length >= 0 && length <= limit) return length;

        // Without the text, and in the end without the handler's options, an error always fits.
        error.Payload = default;
        length = ResponseWriter.Write(buffer, response, error);
        return length >= 0 && length <= limit ? length : ResponseWriter.Write(buffer, CoapResponse.Error(response.Code), error);
    }

    private static int ComposeValid(Span<byte> buffer, CoapResponse response, scoped ResponseParts parts, uint? observe)
    {
        var valid = new ResponseParts
        {
            Type = parts.Type,
            MessageId = parts.MessageId,
            Token = parts.Token,
            Code = CoapCode.Valid,
            Block1 = parts.Block1,
            ETag = response.ETag.Span,
            Observe = observe,
            MaxAge = response.MaxAge,
        };
        return ResponseWriter.Write(buffer, CoapResponse.Changed, valid);
    }

    private int ComposeChallenge(Span<byte> buffer, CoapRequest request, scoped ResponseParts parts)
    {
        Span<byte> echo = stackalloc byte[SourceVerification.EchoLength];
        verification.WriteEcho(request.Peer, clock.Now, echo);
        scoped var challenge = new ResponseParts
        {
            Type = parts.Type,
            MessageId = parts.MessageId,
            Token = parts.Token,
            Code = CoapCode.Unauthorized,
        };
        challenge.Echo = echo;
        return ResponseWriter.Write(buffer, CoapResponse.Changed, challenge);
    }
}
