using FsCheck;
using FsCheck.Fluent;
using Stint.Ingress.Grpc.Wire;

namespace Stint.Tests.Ingress.Grpc;

public sealed class PercentEncodingTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("plain ~text!", "plain ~text!")]
    [InlineData("100 %", "100 %25")]
    [InlineData("two\nlines\r", "two%0Alines%0D")]
    [InlineData("Käse", "K%C3%A4se")]
    [InlineData("😀", "%F0%9F%98%80")]
    [InlineData("\u007f\0", "%7F%00")]
    public void What_is_not_visible_ascii_is_encoded(string text, string encoded) => Assert.Equal(encoded, PercentEncoding.Encode(text));

    [Fact]
    public void Half_a_surrogate_pair_becomes_the_replacement_character() => Assert.Equal("a%EF%BF%BDb", PercentEncoding.Encode("a\ud800b"));

    [Fact]
    public void A_long_message_is_cut_between_two_characters()
    {
        var encoded = PercentEncoding.Encode(new string('x', PercentEncoding.MaxLength - 1) + "ä");
        Assert.Equal(new string('x', PercentEncoding.MaxLength - 1), encoded);
        Assert.Equal(PercentEncoding.MaxLength, PercentEncoding.Encode(new string('x', PercentEncoding.MaxLength + 1)).Length);
    }

    [Fact]
    public void Decoding_gives_the_text_back() => Prop.ForAll<NonNull<string>>(static text =>
    {
        // FsCheck makes lone surrogates too, which no UTF-8 has.
        var valid = System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text.Get));
        return Uri.UnescapeDataString(PercentEncoding.Encode(valid)) == valid;
    }).QuickCheckThrowOnFailure();
}
