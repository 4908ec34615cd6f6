using Stint.Cluster.Identity;
using Stint.Cluster.Store;
using Stint.Cluster.Transport;

namespace Stint.Cluster.Joining;

/// <summary>A gateway's answers to machines that want to join, and to those that want to stay. All that it issues are workers' certificates: gateways issue their own.</summary>
/// <param name="office">Issues certificates.</param>
/// <param name="store">The store.</param>
/// <param name="logger">Log.</param>
internal sealed partial class JoinDesk(CertificateOffice office, ClusterStore store, ILogger<JoinDesk> logger)
{
    private readonly ILogger _logger = logger;

    /// <summary>What it answers.</summary>
    public IEnumerable<KeyValuePair<string, NodeHandler>> Handlers =>
    [
        new(JoinPaths.Authority, request => NodeAnswers.AnswerAsync(request, AuthorityAsync, _logger)),
        new(JoinPaths.Join, request => NodeAnswers.AnswerAsync(request, JoinAsync, _logger)),
        new(JoinPaths.Renew, request => NodeAnswers.AnswerAsync(request, RenewAsync, _logger)),
    ];

    private async Task AuthorityAsync(NodeRequest request)
    {
        await NodeDialogue.ReadAsync(request, NodeMessages.Default.AuthorityQuestion).ConfigureAwait(false);
        using var authority = await office.OpenAsync(request.Aborted).ConfigureAwait(false);
        await NodeDialogue.WriteAsync(request, new AuthorityAnswer(authority.CertificateBytes), NodeMessages.Default.AuthorityAnswer).ConfigureAwait(false);
    }

    private async Task JoinAsync(NodeRequest request)
    {
        var question = await NodeDialogue.ReadAsync(request, NodeMessages.Default.JoinQuestion).ConfigureAwait(false);
        if (!NodeName.IsValid(question.Name)) throw new NodeRefusedException(StatusCodes.Status400BadRequest, $"that cannot be a machine's name: {NodeName.Rule}; choose another with --name");
        // One wording for all of them: nobody is to learn which tokens there are.
        const string refusal = "the join token is wrong, used up or expired; make another with: stint cluster token";
        if (!JoinToken.TryParse(question.Token, out var token)) throw Refused(request, refusal);
        // Before the token: a name that is taken is no reason to use it up.
        var nodes = await store.Nodes.ListAsync(request.Aborted).ConfigureAwait(false);
        var isTaken = nodes.Exists(node => node.IsAlive && node.Node.Name == question.Name);
        if (!isTaken && !await store.Authority.RedeemAsync(token, request.Aborted).ConfigureAwait(false)) throw Refused(request, refusal);
        if (isTaken) throw new NodeRefusedException(StatusCodes.Status409Conflict, $"another machine of the cluster is called {question.Name} and is alive; choose another name with --name");
        var answer = await office.IssueAsync(question.Name, NodeRole.Worker, question.Request, request.Aborted).ConfigureAwait(false);
        LogJoined(question.Name, request.From, token.Id);
        await NodeDialogue.WriteAsync(request, answer, NodeMessages.Default.JoinAnswer).ConfigureAwait(false);
    }

    private async Task RenewAsync(NodeRequest request)
    {
        var question = await NodeDialogue.ReadAsync(request, NodeMessages.Default.RenewQuestion).ConfigureAwait(false);
        var answer = await office.IssueAsync(request.Node, NodeRole.Worker, question.Request, request.Aborted).ConfigureAwait(false);
        await NodeDialogue.WriteAsync(request, answer, NodeMessages.Default.JoinAnswer).ConfigureAwait(false);
    }

    private NodeRefusedException Refused(NodeRequest request, string words)
    {
        LogRefused(request.From);
        return new NodeRefusedException(StatusCodes.Status403Forbidden, words);
    }

    [LoggerMessage(2731, LogLevel.Information, "{Node} at {Address} has joined the cluster with token {Token}")]
    private partial void LogJoined(string node, System.Net.IPAddress? address, string token);

    [LoggerMessage(2732, LogLevel.Warning, "A machine at {Address} came with a join token that does not hold")]
    private partial void LogRefused(System.Net.IPAddress? address);
}
