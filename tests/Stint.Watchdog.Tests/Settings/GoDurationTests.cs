using Stint.Watchdog.Settings;

namespace Stint.Watchdog.Tests.Settings;

public sealed class GoDurationTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("20", 20)]
    [InlineData("20s", 20)]
    [InlineData("1m", 60)]
    [InlineData("1m30s", 90)]
    [InlineData("1.5h", 5400)]
    [InlineData("250ms", 0.25)]
    [InlineData("1500us", 0.0015)]
    [InlineData("1500µs", 0.0015)]
    public void Seconds_and_Go_notation_are_read(string text, double seconds)
    {
        Assert.True(GoDuration.TryParse(text, out var duration));
        Assert.Equal(seconds, duration.TotalSeconds, 6);
    }

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("-1")]
    [InlineData("-1s")]
    [InlineData("1x")]
    [InlineData("1s2")]
    [InlineData("1..5s")]
    [InlineData("1e3")]
    [InlineData("999999999999999999h")]
    public void Anything_else_is_refused(string text) => Assert.False(GoDuration.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(0.25, "250ms")]
    [InlineData(20, "20s")]
    [InlineData(90, "1m30s")]
    [InlineData(5400, "1h30m0s")]
    public void Durations_are_shown_as_Go_shows_them(double seconds, string text) => Assert.Equal(text, GoDuration.Format(TimeSpan.FromSeconds(seconds)));
}
