using Stint.Cli;
using Stint.Cluster.Nodes;
using Stint.Cluster.Transport;

namespace Stint.Tests.Cluster.Transport;

public sealed class NodeAddressTests
{
    [Theory]
    [InlineData("10.0.0.7:9000", "10.0.0.7", 9000)]
    [InlineData("10.0.0.7", "10.0.0.7", NodeAddress.DefaultPort)]
    [InlineData("[fd00::7]:9000", "fd00::7", 9000)]
    [InlineData("fd00::7", "fd00::7", NodeAddress.DefaultPort)]
    [InlineData("https://core.example:9000/", "core.example", 9000)]
    [InlineData(" core ", "core", NodeAddress.DefaultPort)]
    public void An_address_is_read(string text, string host, int port)
    {
        Assert.True(NodeAddress.TryParse(text, out var address));
        Assert.Equal((host, port), (address.Host, address.Port));
    }

    [Theory]
    [InlineData("")]
    [InlineData(":9000")]
    [InlineData("core:0")]
    [InlineData("core:65536")]
    [InlineData("core:http")]
    [InlineData("[fd00::7")]
    [InlineData("[fd00::7]9000")]
    [InlineData("a b")]
    [InlineData("http://core")]
    [InlineData("user@core")]
    public void What_is_none_is_refused(string text) => Assert.False(NodeAddress.TryParse(text, out _));

    [Fact]
    public void Labels_are_read_and_what_is_none_is_refused()
    {
        Assert.Equal(new() { ["zone"] = "a", ["gpu"] = "", ["note"] = "x=y" }, NodeLabels.Parse("zone=a, gpu=,note=x=y"));
        Assert.All((string[])["zone", "=a", "a b=c", "a=b\u0007c", new string('a', 65) + "=1"], static text => Assert.Null(NodeLabels.Parse(text)));
        Assert.Equal(new() { ["zone"] = "a" }, NodeLabels.Read(NodeLabels.Write(new() { ["zone"] = "a" })));
        Assert.Empty(NodeLabels.Read("[1]"));
    }

    [Theory]
    [InlineData("90s", 90)]
    [InlineData("12h", 43_200)]
    [InlineData("365d", 31_536_000)]
    [InlineData("366d", null)]
    [InlineData("0h", null)]
    [InlineData("-1h", null)]
    [InlineData("h", null)]
    [InlineData("1w", null)]
    [InlineData("99999999999d", null)]
    public void How_long_a_token_holds_is_read(string text, int? seconds) => Assert.Equal(seconds, (int?)ClusterTokenCommand.ParseDuration(text)?.TotalSeconds);
}
