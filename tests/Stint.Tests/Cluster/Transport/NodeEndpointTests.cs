using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Identity;
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
        using var stranger = NodeLink.ToStranger(pair.Address, static _ => null);
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
        using var stranger = NodeLink.ToStranger(pair.Address, static _ => null);
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

    [Theory]
    // A worker's endpoint.
    [InlineData(NodeRole.Gateway, NodeRole.Worker, NodeRole.Gateway, 200)]
    [InlineData(NodeRole.Worker, NodeRole.Worker, NodeRole.Gateway, 403)]
    [InlineData(null, NodeRole.Worker, NodeRole.Gateway, 403)]
    // A gateway's.
    [InlineData(NodeRole.Worker, NodeRole.Gateway, NodeRole.Worker, 200)]
    [InlineData(NodeRole.Gateway, NodeRole.Gateway, NodeRole.Worker, 403)]
    [InlineData(null, NodeRole.Gateway, NodeRole.Worker, 200)]
    // Machines whose certificates are from before there were roles: as it was, but what has a role has it.
    [InlineData(null, null, NodeRole.Gateway, 200)]
    [InlineData(NodeRole.Worker, null, NodeRole.Gateway, 403)]
    [InlineData(NodeRole.Gateway, null, NodeRole.Gateway, 200)]
    [InlineData(null, null, NodeRole.Worker, 200)]
    [InlineData(NodeRole.Worker, null, NodeRole.Worker, 200)]
    internal async Task A_worker_answers_gateways_and_a_gateway_workers(NodeRole? caller, NodeRole? own, NodeRole admits, int status)
    {
        // A gateway's endpoint has something that is open to all; that it stays.
        await using var pair = await NodePair.StartAsync(Handlers(admits is NodeRole.Worker ? ["/open/hello", "/x"] : ["/x"]), caller, own, admits);
        using var link = pair.Link();
        var answer = await NodePair.SendAsync(link, "/x");
        Assert.Equal(status, answer.Status);
        if (status == 403) Assert.Equal($"this machine is a {(admits is NodeRole.Gateway ? "worker, which answers gateways only; the certificate of caller is not a gateway's" : "gateway, which answers workers only; the certificate of caller is not a worker's")}", answer.Body);
        // Nor does it learn what there is.
        Assert.Equal(status == 200 ? 404 : 403, (await NodePair.SendAsync(link, "/of-the-future")).Status);
        if (admits is NodeRole.Worker) Assert.Equal(200, (await NodePair.SendAsync(link, "/open/hello")).Status);
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
        pair.Caller.Renew(pair.Join("renewed", NodeRole.Gateway).Credentials.Identity);
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
