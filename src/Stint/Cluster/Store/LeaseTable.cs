namespace Stint.Cluster.Store;

/// <summary>
/// Who owns what, for a while: one holder at a time for each name, on the server's clock. A term is a new number with each new holder, so that what an old one still sends can be told from the new one's.
/// </summary>
internal sealed class LeaseTable(ClusterStore store)
{
    /// <summary>Takes a lease that is free, expired or one's own; null when another holds it, else the term.</summary>
    /// <param name="name">What is owned, such as <c>trigger/NAME</c>.</param>
    /// <param name="holder">Who takes it.</param>
    /// <param name="duration">How long it is the holder's unless it takes it again.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<long?> TakeAsync(string name, string holder, TimeSpan duration, CancellationToken cancellationToken) => store.UseAsync<long?>(async connection =>
    {
        var term = await connection.ValueAsync<long>(
            """
            insert into stint.lease as l (name, holder, term, expires_at) values ($1, $2, 1, clock_timestamp() + $3 * interval '1 second')
            on conflict (name) do update set holder = excluded.holder, term = case when l.holder = excluded.holder then l.term else l.term + 1 end, expires_at = excluded.expires_at
            where l.holder = excluded.holder or l.expires_at < clock_timestamp()
            returning term
            """, [Sql.Text(name), Sql.Text(holder), Sql.Seconds(duration)], cancellationToken).ConfigureAwait(false);
        return term == 0 ? null : term;
    }, cancellationToken);

    /// <summary>Gives a lease back, so that the next holder need not wait; nothing happens when it is another's.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<int> ReleaseAsync(string name, string holder, CancellationToken cancellationToken) => store.UseAsync(connection => connection.ExecuteAsync(
        // The row stays: terms never repeat.
        "update stint.lease set expires_at = '-infinity' where name = $1 and holder = $2", [Sql.Text(name), Sql.Text(holder)], cancellationToken), cancellationToken);

    /// <summary>Who holds it now; null when nobody does.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<string?> HolderAsync(string name, CancellationToken cancellationToken) => store.UseAsync(connection => connection.ValueAsync<string>(
        "select holder from stint.lease where name = $1 and expires_at >= clock_timestamp()", [Sql.Text(name)], cancellationToken), cancellationToken);
}
