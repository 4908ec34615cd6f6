// How a machine joins:
//
//   1  it asks a gateway for the authority, over TLS that proves nothing yet: the answer is public, and compared with the token's fingerprint
//   2  it asks again, over TLS that only a machine with a certificate of that authority can speak, and none that is a worker's; now it gives the token away, with a request for a certificate for a key that never leaves it
//   3  it keeps key and certificate; from now on it needs no token
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Stint.Cluster.Identity;
using Stint.Cluster.Transport;

namespace Stint.Cluster.Joining;

/// <summary>Makes this machine one of a cluster.</summary>
/// <param name="folder">Where its key and certificate are kept.</param>
/// <param name="name">Its name.</param>
internal sealed class Joiner(string folder, string name)
{
    /// <summary>The identity of an earlier start; null when there is none that can be used: it is of another name, a gateway's, or has expired.</summary>
    /// <param name="now">The present.</param>
    /// <exception cref="CryptographicException">The files do not belong together.</exception>
    public NodeIdentity? Present(DateTimeOffset now)
    {
        if (NodeIdentity.Load(folder) is not { } present) return null;
        if (present.Name == name && present.Role is not NodeRole.Gateway && present.Certificate.NotAfter.ToUniversalTime() > now) return present;
        present.Dispose();
        return null;
    }

    /// <summary>Joins through one gateway.</summary>
    /// <exception cref="HttpRequestException">It cannot be reached, or is not of the token's cluster.</exception>
    /// <exception cref="NodeRefusedException">It refused; the message says why.</exception>
    /// <exception cref="CryptographicException">It is another cluster, or answers nonsense.</exception>
    public async Task<NodeIdentity> JoinAsync(DnsEndPoint gateway, JoinToken token, CancellationToken cancellationToken)
    {
        // 1
        byte[] authority;
        using (var stranger = NodeLink.ToStranger(gateway, static _ => null))
            authority = (await NodeDialogue.AskAsync(stranger, JoinPaths.Authority, new AuthorityQuestion(), NodeMessages.Default.AuthorityQuestion, NodeMessages.Default.AuthorityAnswer, cancellationToken).ConfigureAwait(false)).Authority;
        if (ClusterAuthority.FingerprintOf(authority) != token.Fingerprint) throw new CryptographicException($"{gateway.Host}:{gateway.Port} is not of the cluster that the token is for: its authority has another fingerprint");
        // 2
        using var root = X509CertificateLoader.LoadCertificate(authority);
        using var link = NodeLink.ToStranger(gateway, peer => NodeTls.Judge(peer, root, NodeTls.ServerUsage) ?? (NodeRoles.Of(peer) is NodeRole.Gateway or null ? null : NodeTls.NotAGateway(peer)));
        var question = new JoinQuestion(token.Reveal(), name, NodeIdentity.Request(folder, name));
        var answer = await NodeDialogue.AskAsync(link, JoinPaths.Join, question, NodeMessages.Default.JoinQuestion, NodeMessages.Default.JoinAnswer, cancellationToken).ConfigureAwait(false);
        // 3
        return NodeIdentity.Accept(folder, answer.Certificate, answer.Authority, token.Fingerprint);
    }

    /// <summary>A certificate that is valid longer, through a gateway that knows this machine.</summary>
    /// <inheritdoc cref="JoinAsync"/>
    public async Task<NodeIdentity> RenewAsync(NodeLink gateway, NodeIdentity present, CancellationToken cancellationToken)
    {
        var answer = await NodeDialogue.AskAsync(gateway, JoinPaths.Renew, new RenewQuestion(NodeIdentity.Request(folder, name)), NodeMessages.Default.RenewQuestion, NodeMessages.Default.JoinAnswer, cancellationToken).ConfigureAwait(false);
        return NodeIdentity.Accept(folder, answer.Certificate, answer.Authority, ClusterAuthority.FingerprintOf(present.Authority.RawData));
    }
}
