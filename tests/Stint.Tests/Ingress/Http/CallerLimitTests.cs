using Stint.Ingress.Http;

namespace Stint.Tests.Ingress.Http;

public sealed class CallerLimitTests
{
    [Theory]
    [InlineData("2", 2_000)]
    [InlineData("2.5", 2_500)]
    [InlineData(" 10 ", 10_000)]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    [InlineData("250ms", 250)]
    [InlineData("1.5s", 1_500)]
    [InlineData("1m30s", 90_000)]
    [InlineData("1h2m3s4ms", 3_723_004)]
    [InlineData("2000us", 2)]
    [InlineData("2000µs", 2)]
    [InlineData("3000000ns", 3)]
    [InlineData("99999999999", 86_400_000)]
    [InlineData("9999999h", 86_400_000)]
    public void It_is_seconds_or_a_duration(string text, double milliseconds)
    {
        Assert.True(CallerLimit.TryParse(text, out var limit));
        Assert.Equal(milliseconds, limit.TotalMilliseconds, 3);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("-1s")]
    [InlineData("s")]
    [InlineData(".")]
    [InlineData(".s")]
    [InlineData("1.2.3")]
    [InlineData("1,5")]
    [InlineData("1d")]
    [InlineData("1 s")]
    [InlineData("1s2")]
    [InlineData("1e3")]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    [InlineData("soon")]
    [InlineData("1, 2")]
    [InlineData("١")]
    [InlineData("111111111111111111111111111111111")]
    public void Anything_else_is_none(string text) => Assert.False(CallerLimit.TryParse(text, out _));
}
