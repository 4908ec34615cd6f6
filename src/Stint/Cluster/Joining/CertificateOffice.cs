using System.Security.Cryptography;
using Stint.Cluster.Identity;
using Stint.Cluster.Store;

namespace Stint.Cluster.Joining;

/// <summary>The cluster's authority at a gateway: makes it, if nobody has, and issues certificates with it. The key is opened for each certificate and not kept.</summary>
/// <param name="store">The store.</param>
/// <param name="key">The key of what is sealed in it.</param>
/// <param name="time">The clock.</param>
internal sealed class CertificateOffice(ClusterStore store, Func<CancellationToken, Task<StoreKey>> key, TimeProvider time)
{
    /// <summary>A certificate is renewed when less than this remains of it.</summary>
    public static readonly TimeSpan RenewBefore = TimeSpan.FromDays(30);

    /// <summary>The authority. Of several gateways that come first at once, one makes it.</summary>
    /// <exception cref="StoreException">The store is away, or the key is another one.</exception>
    public async Task<ClusterAuthority> OpenAsync(CancellationToken cancellationToken)
    {
        var opener = await key(cancellationToken).ConfigureAwait(false);
        if (await store.Authority.FindAsync(opener, cancellationToken).ConfigureAwait(false) is { } present) return present;
        using (var made = ClusterAuthority.Create(time.GetUtcNow())) await store.Authority.AddAsync(made, opener, cancellationToken).ConfigureAwait(false);
        return await store.Authority.FindAsync(opener, cancellationToken).ConfigureAwait(false) ?? throw new StoreException(StoreFault.Corrupt, "the cluster's authority went as soon as it was made; whoever changes the tables by hand must stop");
    }

    /// <summary>Issues a certificate.</summary>
    /// <param name="name">The machine; checked.</param>
    /// <param name="role">What it is.</param>
    /// <param name="request">PKCS #10, DER: hostile.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="CryptographicException">The request is none.</exception>
    /// <exception cref="StoreException">The store is away.</exception>
    public async Task<JoinAnswer> IssueAsync(string name, NodeRole role, byte[] request, CancellationToken cancellationToken)
    {
        using var authority = await OpenAsync(cancellationToken).ConfigureAwait(false);
        var issued = authority.Issue(name, role, request, time.GetUtcNow());
        // Only a certificate that is noted can be revoked.
        await store.Authority.NoteAsync(issued, cancellationToken).ConfigureAwait(false);
        return new JoinAnswer(issued.Bytes, authority.CertificateBytes);
    }

    /// <summary>This gateway's own identity, in a folder: as it is there, or issued anew when it is another cluster's, another name's, no gateway's, revoked or old.</summary>
    /// <exception cref="StoreException">The store is away, and there is none to go on with.</exception>
    /// <exception cref="IOException">The folder cannot be used.</exception>
    public async Task<NodeIdentity> IdentifyAsync(string folder, string name, CancellationToken cancellationToken)
    {
        var present = Present(folder);
        try
        {
            using var authority = await OpenAsync(cancellationToken).ConfigureAwait(false);
            if (present is { Role: NodeRole.Gateway } && present.Name == name && ClusterAuthority.FingerprintOf(present.Authority.RawData) == authority.Fingerprint && present.Certificate.NotAfter.ToUniversalTime() - time.GetUtcNow() > RenewBefore
                && !(await store.Authority.RevokedAsync(cancellationToken).ConfigureAwait(false)).Contains(present.Certificate.SerialNumber.ToLowerInvariant())) return present;
            var answer = await IssueAsync(name, NodeRole.Gateway, NodeIdentity.Request(folder, name), cancellationToken).ConfigureAwait(false);
            present?.Dispose();
            return NodeIdentity.Accept(folder, answer.Certificate, answer.Authority, authority.Fingerprint);
        }
        catch (StoreException e) when (e.Fault is StoreFault.Away && present is { Role: NodeRole.Gateway or null } && present.Name == name)
        {
            // One from before there were roles as well: it is as good as it was, and the next look gets one that has a role.
            return present;
        }
    }

    private static NodeIdentity? Present(string folder)
    {
        try
        {
            return NodeIdentity.Load(folder);
        }
        catch (Exception e) when (e is CryptographicException or FileNotFoundException)
        {
            return null;
        }
    }
}
