using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Joining;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;

namespace Stint.Tests.Cluster.Transport;

/// <summary>Who may ask what.</summary>
public sealed class NodeEndpointTests
{
    [Fact]
    public async Task A_stranger_may_ask_what_is_open_and_nothing_else()
    {
        await using var pair = await NodePair.StartAsync(Handlers("/open/hello", "/secret"));
        using var stranger = NodeLink.ToStranger(pair.Address, static (_, certificate, _, _) => certificate is not null);
        Assert.Equal(200, (await NodePair.SendAsync(stranger, "/open/hello")).Status);
        var refused = await NodePair.SendAsync(stranger, "/secret");
        Assert.Equal(403, refused.Status);
        Assert.Contains("certificate", refused.Body, StringComparison.Ordinal);
        using var member = pair.Link();
        Assert.Equal(200, (await NodePair.SendAsync(member, "/secret")).Status);
        Assert.Equal(404, (await NodePair.SendAsync(member, "/of-the-future")).Status);
    }

    [Fact]
    public async Task Where_nothing_is_open_a_stranger_is_not_even_connected()
    {
        await using var pair = await NodePair.StartAsync(Handlers("/secret"));
        using var stranger = NodeLink.ToStranger(pair.Address, static (_, certificate, _, _) => certificate is not null);
        await Assert.ThrowsAsync<HttpRequestException>(() => NodePair.SendAsync(stranger, "/secret"));
    }

    [Fact]
    public async Task A_machine_that_is_removed_is_refused_on_the_connection_that_it_has()
    {
        await using var pair = await NodePair.StartAsync(Handlers("/secret"));
        using var link = pair.Link();
        Assert.Equal(200, (await NodePair.SendAsync(link, "/secret")).Status);
        pair.Callee.Revoked = [pair.CallersSerial];
        Assert.Equal(403, (await NodePair.SendAsync(link, "/secret")).Status);
    }

    [Fact]
    public async Task A_machine_that_was_removed_is_told_so_where_strangers_are_and_not_even_connected_elsewhere()
    {
        await using var gateway = await NodePair.StartAsync(Handlers("/open/hello", "/secret"));
        gateway.Callee.Revoked = [gateway.CallersSerial];
        using var link = gateway.Link();
        Assert.Equal(403, (await NodePair.SendAsync(link, "/secret")).Status);
        await using var worker = await NodePair.StartAsync(Handlers("/secret"));
        worker.Callee.Revoked = [worker.CallersSerial];
        using var other = worker.Link();
        await Assert.ThrowsAsync<HttpRequestException>(() => NodePair.SendAsync(other, "/secret"));
    }

    [Fact]
    public async Task Another_machine_at_the_address_is_not_spoken_to()
    {
        await using var pair = await NodePair.StartAsync(Handlers("/secret"));
        using var link = NodeLink.ToNode("other", [pair.Address], pair.Caller);
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => NodePair.SendAsync(link, "/secret"));
        Assert.Equal(Stint.Cluster.Dispatch.CallFate.NotSent, Stint.Cluster.Dispatch.CallRules.FateOf(error));
    }

    [Fact]
    public async Task A_certificate_that_was_renewed_is_used_for_the_next_connection()
    {
        await using var pair = await NodePair.StartAsync(new Dictionary<string, NodeHandler> { ["/who"] = static request => NodeDialogue.WriteAsync(request, new AuthorityAnswer(System.Text.Encoding.ASCII.GetBytes(request.Node)), NodeMessages.Default.AuthorityAnswer) });
        using var link = pair.Link();
        pair.Caller.Renew(pair.Join("renewed").Credentials.Identity);
        var answer = await NodeDialogue.AskAsync(link, "/who", new Ping(), NodeMessages.Default.Ping, NodeMessages.Default.AuthorityAnswer, default);
        Assert.Equal("renewed"u8.ToArray(), answer.Authority);
    }

    [Theory]
    [InlineData("{", 400)]
    [InlineData("null", 400)]
    [InlineData("[1,2]", 400)]
    [InlineData("{\"instance\":\"1\"}", 400)]
    public async Task A_message_that_is_none_is_refused_in_words(string body, int status)
    {
        await using var pair = await NodePair.StartAsync(new Dictionary<string, NodeHandler>
        {
            [WorkerPaths.Report] = request => NodeAnswers.AnswerAsync(request, static async request =>
            {
                var report = await NodeDialogue.ReadAsync(request, NodeMessages.Default.WorkerReport);
                if (report.Addresses is null) throw new NodeProtocolException("it says no address");
                await NodeDialogue.PongAsync(request);
            }, NullLogger.Instance),
        });
        using var link = pair.Link();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(link.Base, WorkerPaths.Report)) { Version = new Version(2, 0), VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StringContent(body) };
        using var response = await link.SendAsync(request, default);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.NotEmpty(await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_message_without_end_is_refused()
    {
        await using var pair = await NodePair.StartAsync(new Dictionary<string, NodeHandler> { ["/x"] = request => NodeAnswers.AnswerAsync(request, static async request => await NodeDialogue.ReadAsync(request, NodeMessages.Default.Ping), NullLogger.Instance) });
        using var link = pair.Link();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(link.Base, "/x")) { Version = new Version(2, 0), VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new ByteArrayContent(new byte[NodeDialogue.MaxBytes + 100_000]) };
        using var response = await link.SendAsync(request, default);
        Assert.Equal(400, (int)response.StatusCode);
    }

    private static Dictionary<string, NodeHandler> Handlers(params string[] paths) => paths.ToDictionary(static path => path, static _ => (NodeHandler)NodeDialogue.PongAsync);
}
