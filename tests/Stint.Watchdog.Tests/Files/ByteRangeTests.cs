using Stint.Watchdog.Files;

namespace Stint.Watchdog.Tests.Files;

public sealed class ByteRangeTests
{
    [Theory]
    [InlineData("bytes=0-0", 0L, 1L)]
    [InlineData("bytes=2-", 2L, 8L)]
    [InlineData("bytes=-3", 7L, 3L)]
    [InlineData("bytes=-30", 0L, 10L)]
    [InlineData("bytes=5-500", 5L, 5L)]
    public void A_part_is_read(string field, long start, long length) => Assert.Equal(new ByteRange(start, length), ByteRange.Read(field, 10));

    [Theory]
    [InlineData("bytes=10-")]
    [InlineData("bytes=-0")]
    public void A_part_that_is_not_there_is_told_apart(string field) => Assert.True(ByteRange.Read(field, 10) is { Length: < 0 });

    [Theory]
    [InlineData("")]
    [InlineData("lines=1-2")]
    [InlineData("bytes=1-2,4-5")]
    [InlineData("bytes=5-2")]
    [InlineData("bytes=a-b")]
    [InlineData("bytes=-")]
    [InlineData("bytes=99999999999999999999-")]
    public void Anything_else_means_the_whole_file(string field) => Assert.Null(ByteRange.Read(field, 10));
}
