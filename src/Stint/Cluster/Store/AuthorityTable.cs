using Stint.Cluster.Identity;

namespace Stint.Cluster.Store;

/// <summary>The cluster's certificate authority, the certificates that it issued, and the tokens that let machines in.</summary>
internal sealed class AuthorityTable(ClusterStore store)
{
    private const string Purpose = "key of the certificate authority";

    /// <summary>The authority; null when none was made yet.</summary>
    /// <exception cref="StoreException">The store is away, or the key is another one.</exception>
    public Task<ClusterAuthority?> FindAsync(StoreKey key, CancellationToken cancellationToken) => store.UseAsync(async connection =>
    {
        var rows = await connection.RowsAsync("select certificate, sealed_key from stint.authority", [], static row => (row.GetFieldValue<byte[]>(0), row.GetFieldValue<byte[]>(1)), cancellationToken).ConfigureAwait(false);
        return rows is [var (certificate, data)] ? ClusterAuthority.Load(certificate, key.Unseal(Purpose, data)) : null;
    }, cancellationToken);

    /// <summary>The authority's fingerprint, which needs no key; null when none was made yet.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<string?> FingerprintAsync(CancellationToken cancellationToken) => store.UseAsync(async connection =>
        await connection.ValueAsync<byte[]>("select certificate from stint.authority", [], cancellationToken).ConfigureAwait(false) is { } certificate ? ClusterAuthority.FingerprintOf(certificate) : null, cancellationToken);

    /// <summary>Keeps an authority; false when there is one already, which stays.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<bool> AddAsync(ClusterAuthority authority, StoreKey key, CancellationToken cancellationToken) => store.UseAsync(async connection =>
        await connection.ExecuteAsync("insert into stint.authority (certificate, sealed_key) values ($1, $2) on conflict do nothing",
            [Sql.Bytes(authority.CertificateBytes), Sql.Bytes(key.Seal(Purpose, authority.ExportKey()))], cancellationToken).ConfigureAwait(false) > 0, cancellationToken);

    /// <summary>Notes that a certificate was issued, and forgets expired ones.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<long> NoteAsync(IssuedCertificate certificate, CancellationToken cancellationToken) => store.ChangeAsync(async (connection, change) =>
    {
        await connection.ExecuteAsync("insert into stint.certificate (serial, node, not_after, change) values ($1, $2, $3::timestamptz, $4)",
            [Sql.Text(certificate.Serial), Sql.Text(certificate.Node), Sql.Text(certificate.NotAfter.ToString("O", System.Globalization.CultureInfo.InvariantCulture)), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
        // A day more than needed: machines' clocks differ.
        await connection.ExecuteAsync("delete from stint.certificate where not_after < clock_timestamp() - interval '1 day'", [], cancellationToken).ConfigureAwait(false);
        return change;
    }, cancellationToken);

    /// <summary>Serial numbers that are refused although they have not expired.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<List<string>> RevokedAsync(CancellationToken cancellationToken) => store.UseAsync(
        connection => connection.RowsAsync("select serial from stint.certificate where is_revoked", [], static row => row.GetString(0), cancellationToken), cancellationToken);

    /// <summary>Keeps a new token, hashed.</summary>
    /// <param name="token">The token.</param>
    /// <param name="uses">How many machines it lets in; null = any number.</param>
    /// <param name="validFor">How long, on the server's clock.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<int> AddTokenAsync(JoinToken token, int? uses, TimeSpan validFor, CancellationToken cancellationToken) => store.UseAsync(async connection =>
    {
        await connection.ExecuteAsync("delete from stint.join_token where expires_at < clock_timestamp() or uses_left = 0", [], cancellationToken).ConfigureAwait(false);
        return await connection.ExecuteAsync("insert into stint.join_token (id, secret_hash, uses_left, expires_at) values ($1, $2, $3::integer, clock_timestamp() + $4 * interval '1 second')",
            [Sql.Text(token.Id), Sql.Bytes(token.SecretHash()), Sql.Text(uses?.ToString(System.Globalization.CultureInfo.InvariantCulture)), Sql.Seconds(validFor)], cancellationToken).ConfigureAwait(false);
    }, cancellationToken);

    /// <summary>Uses a token once; false when it is unknown, wrong, used up or expired. Of several machines that come with the same one at once, no more get in than it allows.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<bool> RedeemAsync(JoinToken token, CancellationToken cancellationToken) => store.UseAsync(async connection =>
        // The hash is of a random number of 256 bits: comparing it in the database tells nobody anything.
        await connection.ExecuteAsync("update stint.join_token set uses_left = uses_left - 1 where id = $1 and secret_hash = $2 and expires_at >= clock_timestamp() and (uses_left is null or uses_left > 0)",
            [Sql.Text(token.Id), Sql.Bytes(token.SecretHash())], cancellationToken).ConfigureAwait(false) > 0, cancellationToken);
}
