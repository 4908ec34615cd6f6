using Stint.Cluster.Identity;
using Stint.Cluster.Joining;
using Stint.Cluster.Transport;
using Stint.Tests.Cluster.Transport;
using Stint.Tests.Functions;

namespace Stint.Tests.Cluster.Joining;

/// <summary>Whom a machine that wants to join gives its token.</summary>
public sealed class JoinerTests
{
    [Theory]
    [InlineData(NodeRole.Gateway, true)]
    [InlineData(NodeRole.Worker, false)]
    // A gateway of before: it takes tokens as well.
    [InlineData(null, true)]
    internal async Task A_token_is_given_to_a_gateway_and_to_no_machine_that_poses_as_one(NodeRole? role, bool isGiven)
    {
        using var folder = new TempFolder();
        string? given = null;
        byte[]? authority = null;
        await using var pair = await NodePair.StartAsync(new Dictionary<string, NodeHandler>
        {
            [JoinPaths.Authority] = request => NodeDialogue.WriteAsync(request, new AuthorityAnswer(authority!), NodeMessages.Default.AuthorityAnswer),
            [JoinPaths.Join] = async request =>
            {
                given = (await NodeDialogue.ReadAsync(request, NodeMessages.Default.JoinQuestion)).Token;
                await ReplyWire.RefuseAsync(request.Context, NodeHeaders.RefusedRequest, "that is all that was wanted", 403);
            },
        }, callee: role, admits: NodeRole.Worker);
        authority = pair.AuthorityBytes;
        var token = JoinToken.Create(pair.Fingerprint);
        var error = await Record.ExceptionAsync(() => new Joiner(folder["node"], "new").JoinAsync(pair.Address, token, default));
        Assert.Equal(isGiven ? token.Reveal() : null, given);
        if (isGiven) Assert.Equal("that is all that was wanted", Assert.IsType<NodeRefusedException>(error).Message);
        else Assert.Contains("callee, is no gateway: its certificate is a worker's", Assert.IsType<HttpRequestException>(error).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(NodeRole.Worker, true)]
    [InlineData(null, true)]
    [InlineData(NodeRole.Gateway, false)]
    internal void A_folder_that_was_a_gateways_makes_no_worker(NodeRole? role, bool isGood)
    {
        using var folder = new TempFolder();
        var now = TimeProvider.System.GetUtcNow();
        using var authority = ClusterAuthority.Create(now);
        var issued = authority.Issue("one", role, NodeIdentity.Request(folder["node"], "one"), now);
        NodeIdentity.Accept(folder["node"], issued.Bytes, authority.CertificateBytes, authority.Fingerprint).Dispose();
        using var present = new Joiner(folder["node"], "one").Present(now);
        Assert.Equal(isGood, present is not null);
        Assert.Null(new Joiner(folder["node"], "two").Present(now));
        Assert.Null(new Joiner(folder["node"], "one").Present(now + ClusterAuthority.NodeLifetime));
    }
}
