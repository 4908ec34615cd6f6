using System.Text;
using Stint.Backends.Containers.Engine;

namespace Stint.Tests.Backends.Containers.Engine;

public sealed class EngineTimeTests
{
    [Theory]
    [InlineData("1970-01-01T00:00:00Z", 0)]
    [InlineData("1970-01-01T00:00:00.000000001Z", 1)]
    [InlineData("2026-11-21T10:34:27.714577368Z", 1_795_257_267_714_577_368)]
    [InlineData("2026-11-21T11:34:27.714577368+01:00", 1_795_257_267_714_577_368)]
    [InlineData("2026-11-21T10:34:27.7Z", 1_795_257_267_700_000_000)]
    public void Moments_are_read_to_the_nanosecond(string text, long expected)
    {
        Assert.True(EngineTime.TryParse(Encoding.UTF8.GetBytes(text), out var moment));
        Assert.Equal(expected, moment);
        Assert.Equal($"{expected / 1_000_000_000}.{expected % 1_000_000_000:D9}", EngineTime.Format(moment));
    }

    [Theory]
    [InlineData("")]
    [InlineData("hello")]
    [InlineData("2026-11-21T10:34:27")]
    [InlineData("2026-11-21T10:34:27.Z")]
    [InlineData("2026-11-21T10:34:27.1234567890Z")]
    [InlineData("2026-13-21T10:34:27Z")]
    [InlineData("2026-11-21 10:34:27.1Z")]
    [InlineData("2026-11-21T10:34:27.1+01:00x")]
    [InlineData("0001-01-01T00:00:00Z")]
    [InlineData("9999-01-01T00:00:00Z")]
    [InlineData("2026-11-21T10:34:2ä.1Z")]
    public void What_is_no_moment_is_said_to_be_none(string text) => Assert.False(EngineTime.TryParse(Encoding.UTF8.GetBytes(text), out _));
}
