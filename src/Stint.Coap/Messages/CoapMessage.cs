using System.Diagnostics.CodeAnalysis;

namespace Stint.Coap.Messages;

/// <summary>A whole message as an object: for clients, tools and tests. The server itself reads datagrams in place.</summary>
public sealed class CoapMessage : IEquatable<CoapMessage>
{
    public required CoapMessageType Type { get; init; }

    public required CoapCode Code { get; init; }

    /// <summary>16 bits, unique per sender and receiver within EXCHANGE_LIFETIME.</summary>
    public required ushort MessageId { get; init; }

    public CoapToken Token { get; init; }

    /// <summary>In any order; written in ascending order of numbers, equal numbers in the order given.</summary>
    public IReadOnlyList<CoapOption> Options { get; init; } = [];

    public ReadOnlyMemory<byte> Payload { get; init; }

    /// <summary>The first option with this number.</summary>
    public bool TryGetOption(int number, out CoapOption option)
    {
        foreach (var candidate in Options)
        {
            if (candidate.Number != number) continue;
            option = candidate;
            return true;
        }

        option = default;
        return false;
    }

    /// <summary>Reads a datagram; false for everything that RFC 7252 §3 calls a message format error.</summary>
    public static bool TryParse(ReadOnlySpan<byte> datagram, [NotNullWhen(true)] out CoapMessage? message)
    {
        message = null;
        if (MessageHeader.TryRead(datagram, out var header) != HeaderVerdict.Read) return false;
        if (header.Code == CoapCode.Empty && datagram.Length != MessageHeader.Size) return false;

        var options = new List<CoapOption>();
        var reader = new OptionReader(datagram, header.OptionsOffset);
        while (reader.Next()) options.Add(new CoapOption(reader.Number, reader.Value.ToArray()));
        if (reader.IsMalformed) return false;

        message = new CoapMessage
        {
            Type = header.Type,
            Code = header.Code,
            MessageId = header.MessageId,
            Token = new CoapToken(datagram.Slice(header.TokenOffset, header.TokenLength)),
            Options = options,
            Payload = datagram[reader.PayloadOffset..].ToArray(),
        };
        return true;
    }

    /// <summary>Writes the message; false when the buffer is too small.</summary>
    public bool TryWrite(Span<byte> buffer, out int length)
    {
        var writer = new MessageWriter(buffer);
        writer.Header(Type, Code, MessageId, Token);
        foreach (var option in Options.OrderBy(o => o.Number)) writer.Option(option.Number, option.Value.Span);
        writer.Payload(Payload.Span);
        length = writer.Length;
        return !writer.Overflowed;
    }

    /// <summary>The datagram.</summary>
    /// <exception cref="InvalidOperationException">The message is larger than a UDP datagram can be.</exception>
    public byte[] ToArray()
    {
        var buffer = new byte[ushort.MaxValue];
        return TryWrite(buffer, out var length)
            ? buffer[..length]
            : throw new InvalidOperationException("The message does not fit into a UDP datagram (65,535 bytes); send the payload block-wise.");
    }

    /// <summary>Same header, same token, same options in writing order, same payload.</summary>
    public bool Equals(CoapMessage? other) =>
        other is not null && Type == other.Type && Code == other.Code && MessageId == other.MessageId && Token == other.Token
        && Options.OrderBy(o => o.Number).SequenceEqual(other.Options.OrderBy(o => o.Number)) && Payload.Span.SequenceEqual(other.Payload.Span);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as CoapMessage);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Type, Code, MessageId, Token, Options.Count, Payload.Length);

    /// <inheritdoc/>
    public override string ToString() => $"{Type} {Code} mid={MessageId} token={Token} {Options.Count} options, {Payload.Length} bytes";
}
