using Stint.Coap.Messages;

namespace Stint.Coap.Tests.Messages;

public sealed class CodecTests
{
    // RFC 7252 Appendix A, figure 16: a confirmable GET of coap://server/temperature, id 0x7d34.
    private static readonly byte[] Figure16 = [0x40, 0x01, 0x7d, 0x34, 0xbb, .. "temperature"u8];

    // Figure 17: the piggybacked answer "22.3 C".
    private static readonly byte[] Figure17 = [0x60, 0x45, 0x7d, 0x34, 0xff, .. "22.3 C"u8];

    [Fact]
    public void The_request_of_appendix_A_is_read_and_written()
    {
        Assert.True(CoapMessage.TryParse(Figure16, out var message));
        Assert.Equal((CoapMessageType.Confirmable, CoapCode.Get, 0x7d34), (message.Type, message.Code, message.MessageId));
        Assert.Equal("temperature", Assert.Single(message.Options).AsText());
        Assert.Equal(Figure16, message.ToArray());
    }

    [Fact]
    public void The_answer_of_appendix_A_is_read_and_written()
    {
        Assert.True(CoapMessage.TryParse(Figure17, out var message));
        Assert.Equal((CoapMessageType.Acknowledgement, CoapCode.Content), (message.Type, message.Code));
        Assert.Equal("22.3 C"u8, message.Payload.Span);
        Assert.Equal(Figure17, message.ToArray());
    }

    [Theory]
    [InlineData("", "nothing at all")]
    [InlineData("400100", "three bytes")]
    [InlineData("80017d34", "version 2")]
    [InlineData("49017d34010203040506070809", "token length 9")]
    [InlineData("4f017d34", "token length 15")]
    [InlineData("44017d34010203", "a token cut short")]
    [InlineData("4d017d34", "an extended token length that is missing")]
    [InlineData("40017d34ff", "a payload marker with nothing behind it")]
    [InlineData("40017d34f0", "option delta 15")]
    [InlineData("40017d340f", "option length 15")]
    [InlineData("40017d34b5616263", "an option cut short")]
    [InlineData("40017d34d0", "an extended delta that is missing")]
    [InlineData("40017d34e0ffff", "an option number above 65,535")]
    [InlineData("40007d3400", "an empty message with a byte behind it")]
    [InlineData("41007d3401", "an empty message with a token")]
    public void Format_errors_are_refused(string hex, string what) =>
        Assert.False(CoapMessage.TryParse(Convert.FromHexString(hex), out _), what);

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(268)]
    [InlineData(269)]
    [InlineData(60_000)]
    public void Tokens_of_every_length_class_survive(int length)
    {
        var token = new CoapToken([.. Enumerable.Range(0, length).Select(i => (byte)i)]);
        var message = new CoapMessage { Type = CoapMessageType.NonConfirmable, Code = CoapCode.Post, MessageId = 1, Token = token };

        // RFC 7252 has no way to write 9 to 12 bytes; RFC 8974 writes them from 13 on, with 13 meaning one extra byte.
        Assert.Equal(length is <= 8 or >= 13, CoapMessage.TryParse(message.ToArray(), out var read));
        if (read is not null) Assert.Equal(token, read.Token);
    }

    [Theory]
    [InlineData(0u, "")]
    [InlineData(1u, "01")]
    [InlineData(255u, "FF")]
    [InlineData(256u, "0100")]
    [InlineData(65_536u, "010000")]
    [InlineData(uint.MaxValue, "FFFFFFFF")]
    public void Numbers_take_as_few_bytes_as_they_need(uint value, string hex)
    {
        var option = CoapOption.OfUInt(OptionNumber.Size1, value);
        Assert.Equal(hex, Convert.ToHexString(option.Value.Span));
        Assert.Equal(value, option.AsUInt());
    }

    [Fact]
    public void A_buffer_that_is_too_small_is_told_and_not_overrun()
    {
        Assert.True(CoapMessage.TryParse(Figure17, out var message));
        for (var size = 0; size < Figure17.Length; size++) Assert.False(message.TryWrite(new byte[size], out _));
        Assert.True(message.TryWrite(new byte[Figure17.Length], out _));
    }

    [Fact]
    public void A_code_prints_as_class_dot_detail() =>
        Assert.Equal(["0.01", "2.05", "4.13", "5.03"], new[] { CoapCode.Get, CoapCode.Content, CoapCode.RequestEntityTooLarge, CoapCode.ServiceUnavailable }.Select(c => c.ToString()));

    [Theory]
    [InlineData(0, "text/plain; charset=utf-8")]
    [InlineData(50, "application/json")]
    [InlineData(60, "application/cbor")]
    [InlineData(4711, "application/vnd.coap; cf=4711")]
    public void Content_formats_and_media_types_translate_both_ways(int format, string mediaType)
    {
        Assert.Equal(mediaType, ContentFormats.ToMediaType(format));
        Assert.Equal(format, ContentFormats.FromMediaType(mediaType));
    }

    [Fact]
    public void Every_listed_content_format_comes_back_from_its_media_type()
    {
        foreach (var format in Enumerable.Range(0, 65_536)) Assert.Equal(format, ContentFormats.FromMediaType(ContentFormats.ToMediaType(format)));
        Assert.Null(ContentFormats.FromMediaType("application/x-unheard-of"));
        Assert.Equal(ContentFormats.Json, ContentFormats.FromMediaType("Application/JSON; charset=utf-8"));
    }
}
