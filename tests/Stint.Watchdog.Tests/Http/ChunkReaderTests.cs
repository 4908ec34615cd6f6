using System.Text;
using Stint.Watchdog.Http;

namespace Stint.Watchdog.Tests.Http;

public sealed class ChunkReaderTests
{
    [Fact]
    public void Any_division_of_the_bytes_gives_the_same_body()
    {
        var random = new Random(7);
        for (var round = 0; round < 500; round++)
        {
            var body = new byte[random.Next(0, 5000)];
            random.NextBytes(body);
            var wire = new MemoryStream();
            for (var at = 0; at < body.Length;)
            {
                var size = Math.Min(random.Next(1, 1500), body.Length - at);
                wire.Write(Encoding.ASCII.GetBytes($"{size:x}{(random.Next(3) == 0 ? ";ext=1" : "")}\r\n"));
                wire.Write(body, at, size);
                wire.Write("\r\n"u8);
                at += size;
            }
            wire.Write(random.Next(2) == 0 ? "0\r\n\r\n"u8 : "00\r\nTrailer: x\r\nOther: y\r\n\r\n"u8);
            wire.Write("NEXT"u8);
            var bytes = wire.ToArray();

            var reader = new ChunkReader();
            var read = new MemoryStream();
            var data = new byte[random.Next(1, 700)];
            var position = 0;
            while (!reader.IsOver)
            {
                var piece = Math.Min(random.Next(1, 900), bytes.Length - position);
                Assert.True(reader.TryTake(bytes.AsSpan(position, piece), out var used, data, out var written));
                read.Write(data, 0, written);
                position += used;
            }
            Assert.Equal(body, read.ToArray());
            Assert.Equal("NEXT", Encoding.ASCII.GetString(bytes, position, bytes.Length - position));
        }
    }

    [Theory]
    [InlineData("\r\n")]
    [InlineData("g\r\n")]
    [InlineData("-1\r\n")]
    [InlineData("5\n")]
    [InlineData("1\r\nab\r\n")]
    [InlineData("1\r\na\n")]
    [InlineData("ffffffffffffffff\r\n")]
    [InlineData("0\r\nTrailer\n\r\n")]
    [InlineData("0\r\n\r\r")]
    public void What_is_not_chunked_is_refused(string wire) => Assert.False(new ChunkReader().TryTake(Encoding.ASCII.GetBytes(wire), out _, new byte[100], out _));

    [Fact]
    public void Endless_extensions_and_trailers_are_refused()
    {
        Assert.False(new ChunkReader().TryTake(Encoding.ASCII.GetBytes("5;" + new string('x', 10_000)), out _, new byte[10], out _));
        Assert.False(new ChunkReader().TryTake(Encoding.ASCII.GetBytes("0\r\n" + string.Concat(Enumerable.Repeat("a: b\r\n", 20_000))), out _, new byte[10], out _));
    }
}
