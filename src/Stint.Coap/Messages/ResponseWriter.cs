using Stint.Coap.Blockwise;

namespace Stint.Coap.Messages;

/// <summary>What the server adds to a handler's response.</summary>
internal ref struct ResponseParts
{
    public CoapMessageType Type { get; set; }

    public ushort MessageId { get; set; }

    public CoapToken Token { get; set; }

    public CoapCode Code { get; set; }

    public ReadOnlySpan<byte> Payload { get; set; }

    public ReadOnlySpan<byte> ETag { get; set; }

    public uint? Observe { get; set; }

    public BlockValue? Block1 { get; set; }

    public BlockValue? Block2 { get; set; }

    public uint? Size1 { get; set; }

    public uint? Size2 { get; set; }

    public uint? MaxAge { get; set; }

    public ReadOnlySpan<byte> Echo { get; set; }
}

/// <summary>Writes a response with its options in ascending order, as deltas demand.</summary>
internal static class ResponseWriter
{
    /// <summary>Writes the message and returns its length; -1 when it does not fit.</summary>
    public static int Write(Span<byte> buffer, CoapResponse response, in ResponseParts parts)
    {
        var writer = new MessageWriter(buffer);
        writer.Header(parts.Type, parts.Code, parts.MessageId, parts.Token);
        var others = 0;
        if (!parts.ETag.IsEmpty) writer.Option(OptionNumber.ETag, parts.ETag);
        if (parts.Observe is { } observe) writer.Option(OptionNumber.Observe, observe);
        WriteOthers(ref writer, response, ref others, OptionNumber.ContentFormat);
        if (response.ContentFormat is { } format && !parts.Payload.IsEmpty) writer.Option(OptionNumber.ContentFormat, (uint)format);
        if (parts.MaxAge is { } maxAge) writer.Option(OptionNumber.MaxAge, maxAge);
        WriteOthers(ref writer, response, ref others, OptionNumber.Block2);
        if (parts.Block2 is { } block2) writer.Option(OptionNumber.Block2, block2.Raw);
        if (parts.Block1 is { } block1) writer.Option(OptionNumber.Block1, block1.Raw);
        if (parts.Size2 is { } size2) writer.Option(OptionNumber.Size2, size2);
        WriteOthers(ref writer, response, ref others, OptionNumber.Size1);
        if (parts.Size1 is { } size1) writer.Option(OptionNumber.Size1, size1);
        WriteOthers(ref writer, response, ref others, OptionNumber.Echo);
        if (!parts.Echo.IsEmpty) writer.Option(OptionNumber.Echo, parts.Echo);
        WriteOthers(ref writer, response, ref others, int.MaxValue);
        writer.Payload(parts.Payload);
        return writer.Overflowed ? -1 : writer.Length;
    }

    private static bool IsOurs(int number) =>
        number is OptionNumber.ETag or OptionNumber.Observe or OptionNumber.ContentFormat or OptionNumber.MaxAge or OptionNumber.Block1
            or OptionNumber.Block2 or OptionNumber.Size1 or OptionNumber.Size2 or OptionNumber.Echo;

    // ETag and Observe stand before the first call, so a foreign option below them would break the order and is passed over like our own.
    private static void WriteOthers(ref MessageWriter writer, CoapResponse response, ref int next, int below)
    {
        var last = 0;
        for (; next < response.Options.Count && response.Options[next].Number < below; next++)
        {
            var option = response.Options[next];
            if (IsOurs(option.Number) || option.Number <= OptionNumber.Observe || option.Number < last) continue;
            writer.Option(option.Number, option.Value.Span);
            last = option.Number;
        }
    }
}
