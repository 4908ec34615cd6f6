using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Stint.Backends.Upstream;

namespace Stint.Tests.Backends.Upstream;

public sealed class ChunkedDecoderTests
{
    [Fact]
    public void Every_way_to_cut_the_bytes_gives_the_same_body()
    {
        var chunks = Gen.Elements("", "a", "hello", "0\r\n\r\n", new string('x', 300)).ListOf();
        Prop.ForAll(chunks.ToArbitrary(), Gen.Choose(1, 40).ToArbitrary(), Gen.Elements("", ";ext", " ; a=\"b\"").ToArbitrary(), (pieces, step, extension) =>
        {
            var coded = new StringBuilder();
            foreach (var piece in pieces.Where(static piece => piece.Length > 0)) coded.Append(CultureInfo.InvariantCulture, $"{piece.Length:X}{extension}\r\n{piece}\r\n");
            coded.Append("0\r\nTrailer: x\r\nOther: y\r\n\r\n");
            var (text, consumed, done) = Decode(coded.ToString() + "NEXT", step);
            return done && text == string.Concat(pieces) && consumed == coded.Length;
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("5\nhello\n0\n\n")]
    [InlineData("5\r\nhello\n0\r\n\r\n")]
    [InlineData("00005;a;b\r\nhello\r\n000\r\n\r\n")]
    public void Small_guests_spelling_is_understood(string coded) => Assert.Equal(("hello", coded.Length, true), Decode(coded, 1));

    [Theory]
    [InlineData("\r\n")]
    [InlineData("-5\r\nhello")]
    [InlineData("0x5\r\nhello")]
    [InlineData("5\r\nhelloX\r\n")]
    [InlineData("5\r\nhello\rX")]
    [InlineData("5\rX\nhello")]
    [InlineData(" 5\r\nhello")]
    [InlineData("FFFFFFFFFFFFFFFF\r\n")]
    [InlineData("0\r\n\rX")]
    public void Anything_else_is_refused(string coded)
    {
        for (var step = 1; step <= coded.Length; step++) Assert.Throws<BadAnswerException>(() => Decode(coded, step));
    }

    [Fact]
    public void Endless_extensions_and_trailers_are_refused()
    {
        Assert.Throws<BadAnswerException>(() => Decode("5;" + new string('x', ChunkedDecoder.MaxLine + 1), 1000));
        Assert.Throws<BadAnswerException>(() => Decode("0\r\n" + string.Concat(Enumerable.Repeat("A: b\r\n", ChunkedDecoder.MaxTrailers / 5)), 1000));
    }

    [Fact]
    public void Any_bytes_at_all_do_no_harm() => Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), static bytes =>
    {
        try
        {
            new ChunkedDecoder().Decode(bytes, out var consumed);
            return consumed <= bytes.Length;
        }
        catch (BadAnswerException)
        {
            return true;
        }
    }).QuickCheckThrowOnFailure();

    private static (string Text, int Consumed, bool Done) Decode(string coded, int step)
    {
        var decoder = new ChunkedDecoder();
        var text = new StringBuilder();
        var total = 0;
        for (var at = 0; at < coded.Length && !decoder.IsDone; at += step)
        {
            var bytes = Encoding.ASCII.GetBytes(coded.Substring(at, Math.Min(step, coded.Length - at)));
            var data = decoder.Decode(bytes, out var consumed);
            total += consumed;
            text.Append(Encoding.ASCII.GetString(bytes[data]));
        }
        return (text.ToString(), total, decoder.IsDone);
    }
}
