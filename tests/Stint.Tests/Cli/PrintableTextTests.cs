using Stint.Cli;

namespace Stint.Tests.Cli;

public sealed class PrintableTextTests
{
    [Theory]
    [InlineData("plain ünïcödé 日本 🎉", "plain ünïcödé 日本 🎉")]
    [InlineData("\e[1;31mred\e[0m", "red")]
    [InlineData("\u009B31mred", "red")]
    [InlineData("\e]0;title\aafter", "after")]
    [InlineData("\e]8;;http://x\e\\link\e]8;;\e\\", "link")]
    [InlineData("\eP1;2|data\e\\after", "after")]
    [InlineData("\ec\e(Bx", "x")]
    [InlineData("a\e", "a\uFFFD")]
    [InlineData("\e]never ends", "never ends")]
    [InlineData("a\rb\bc\0d", "a\uFFFDb\uFFFDc\uFFFDd")]
    [InlineData("tab\tstays", "tab\tstays")]
    [InlineData("\u202Ertl\u2066\u200B\u2028", "\uFFFDrtl\uFFFD\uFFFD\uFFFD")]
    [InlineData("a\nb", "a\uFFFDb")]
    [InlineData(null, "")]
    public void A_line_holds_nothing_that_steers_a_terminal(string? text, string expected) => Assert.Equal(expected, PrintableText.Line(text));

    [Fact]
    public void A_lone_surrogate_is_replaced() => Assert.Equal("a\uFFFDb", PrintableText.Line("a" + '\uD800' + "b"));

    [Fact]
    public void Lines_keep_their_breaks() => Assert.Equal("a\nb\uFFFDc\n", PrintableText.Lines("a\r\nb\rc\n"));

    [Theory]
    [InlineData(0L, "0 B")]
    [InlineData(1023L, "1023 B")]
    [InlineData(1536L, "1.5 KiB")]
    [InlineData(26214400L, "25 MiB")]
    [InlineData(long.MaxValue, "8388608 TiB")]
    public void Bytes_are_readable(long bytes, string expected) => Assert.Equal(expected, Figures.Bytes(bytes));

    [Theory]
    [InlineData(null, "-")]
    [InlineData(0.0, "0 s")]
    [InlineData(0.00087, "870 µs")]
    [InlineData(0.0123, "12.3 ms")]
    [InlineData(0.25, "250 ms")]
    [InlineData(4.2, "4.2 s")]
    [InlineData(600.0, "600 s")]
    public void Durations_are_readable(double? seconds, string expected) => Assert.Equal(expected, Figures.Seconds(seconds));
}
