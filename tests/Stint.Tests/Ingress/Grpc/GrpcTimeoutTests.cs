using Stint.Ingress.Grpc.Wire;

namespace Stint.Tests.Ingress.Grpc;

public sealed class GrpcTimeoutTests
{
    [Theory]
    [InlineData("1H", 36_000_000_000)]
    [InlineData("2M", 1_200_000_000)]
    [InlineData("10S", 100_000_000)]
    [InlineData("250m", 2_500_000)]
    [InlineData("7u", 70)]
    [InlineData("1n", 1)]
    [InlineData("200n", 2)]
    [InlineData("201n", 3)]
    [InlineData("0n", 0)]
    [InlineData("00000001S", 10_000_000)]
    [InlineData("99999999H", 3_599_999_964_000_000_000)]
    public void A_timeout_has_up_to_eight_digits_and_a_unit(string text, long ticks)
    {
        Assert.True(GrpcTimeout.TryParse(text, out var timeout));
        Assert.Equal(ticks, timeout.Ticks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("1")]
    [InlineData("1s")]
    [InlineData("-1S")]
    [InlineData("+1S")]
    [InlineData("1.5S")]
    [InlineData(" 1S")]
    [InlineData("1 S")]
    [InlineData("123456789S")]
    [InlineData("１S")]
    public void Anything_else_is_none(string text) => Assert.False(GrpcTimeout.TryParse(text, out _));
}
