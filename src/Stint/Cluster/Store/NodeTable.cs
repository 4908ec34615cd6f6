using Npgsql;

namespace Stint.Cluster.Store;

/// <summary>The machines of a cluster. A machine is alive as long as it renews its lease, on the server's clock: its own clock does not matter.</summary>
internal sealed class NodeTable(ClusterStore store)
{
    /// <summary>Enters a machine, or renews its lease with a new report; of two with the same name, the one that is alive keeps it.</summary>
    /// <param name="node">The machine.</param>
    /// <param name="duration">How long it counts as alive without another call.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Whether it is to take no new calls; null when another, living machine has its name.</returns>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<bool?> RenewAsync(NodeEntry node, TimeSpan duration, CancellationToken cancellationToken) => store.UseAsync<bool?>(async connection =>
    {
        var rows = await connection.RowsAsync(
            """
            insert into stint.node as n (name, instance, is_gateway, is_worker, addresses, labels, report, alive_until)
            values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + $8 * interval '1 second')
            on conflict (name) do update set instance = excluded.instance, is_gateway = excluded.is_gateway, is_worker = excluded.is_worker, addresses = excluded.addresses,
                labels = excluded.labels, report = excluded.report, alive_until = excluded.alive_until
            where n.instance = excluded.instance or n.alive_until < clock_timestamp()
            returning is_draining
            """,
            [
                Sql.Text(node.Name), Sql.Text(node.Instance), Sql.Flag(node.IsGateway), Sql.Flag(node.IsWorker), Sql.Text(node.Addresses), Sql.Text(node.Labels), Sql.Text(node.Report), Sql.Seconds(duration),
            ], static row => row.GetBoolean(0), cancellationToken).ConfigureAwait(false);
        return rows is [var isDraining] ? isDraining : null;
    }, cancellationToken);

    /// <summary>
    /// Enters or renews several machines at once, as <see cref="RenewAsync"/> does one; not those that were removed meanwhile: they have no certificate that holds. One that was started again, which its key
    /// proves, has its name at once, whether the lease of its run before has ended or not; of two runs with the same key that are both alive, folders that were copied, the later start has it.
    /// </summary>
    /// <param name="nodes">The machines, each once.</param>
    /// <param name="duration">How long they count as alive without another call.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The names that another, living machine or a later start has, and those of removed ones.</returns>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<List<string>> RenewAllAsync(IReadOnlyList<NodeEntry> nodes, TimeSpan duration, CancellationToken cancellationToken) => store.UseAsync(async connection =>
    {
        // In order of the names, so that two gateways that both have reports of the same machines do not wait for each other's rows.
        var ordered = nodes.OrderBy(static node => node.Name, StringComparer.Ordinal).ToList();
        var renewed = await connection.RowsAsync(
            """
            insert into stint.node as n (name, instance, is_gateway, is_worker, addresses, labels, report, alive_until, key, started)
            select r.name, r.instance, r.is_gateway, r.is_worker, r.addresses, r.labels, r.report, clock_timestamp() + $8 * interval '1 second', r.key, r.started
            from unnest($1, $2, $3, $4, $5, $6, $7, $9, $10) as r (name, instance, is_gateway, is_worker, addresses, labels, report, key, started)
            where exists (select from stint.certificate c where c.node = r.name and not c.is_revoked)
            on conflict (name) do update set instance = excluded.instance, is_gateway = excluded.is_gateway, is_worker = excluded.is_worker, addresses = excluded.addresses,
                labels = excluded.labels, report = excluded.report, alive_until = excluded.alive_until, key = excluded.key, started = excluded.started
            where n.instance = excluded.instance or n.alive_until < clock_timestamp() or (n.key = excluded.key and n.key <> '' and n.started < excluded.started)
            returning name
            """,
            [
                Sql.Texts([.. ordered.Select(static node => node.Name)]), Sql.Texts([.. ordered.Select(static node => node.Instance)]), Sql.Flags([.. ordered.Select(static node => node.IsGateway)]),
                Sql.Flags([.. ordered.Select(static node => node.IsWorker)]), Sql.Texts([.. ordered.Select(static node => node.Addresses)]), Sql.Texts([.. ordered.Select(static node => node.Labels)]),
                Sql.Texts([.. ordered.Select(static node => node.Report)]), Sql.Seconds(duration),
                Sql.Texts([.. ordered.Select(static node => node.Key)]), Sql.Numbers([.. ordered.Select(static node => node.Started)]),
            ], static row => row.GetString(0), cancellationToken).ConfigureAwait(false);
        return ordered.Select(static node => node.Name).Except(renewed).ToList();
    }, cancellationToken);

    /// <summary>All machines, by name.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<List<NodeState>> ListAsync(CancellationToken cancellationToken) => store.UseAsync(connection => connection.RowsAsync(
        """
        select name, instance, is_gateway, is_worker, addresses, labels, report, is_draining, joined_at, alive_until >= clock_timestamp(), extract(epoch from clock_timestamp() - alive_until)::float8
        from stint.node order by name
        """, [], Read, cancellationToken), cancellationToken);

    /// <summary>Says of a machine that it is to take no new calls, or that it may again; false when there is none of that name.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<bool> SetDrainingAsync(string name, bool isDraining, CancellationToken cancellationToken) => store.UseAsync(async connection =>
        await connection.ExecuteAsync("update stint.node set is_draining = $2 where name = $1", [Sql.Text(name), Sql.Flag(isDraining)], cancellationToken).ConfigureAwait(false) > 0, cancellationToken);

    /// <summary>A machine leaves by itself: its name is free at once.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<int> LeaveAsync(string name, string instance, CancellationToken cancellationToken) => store.UseAsync(connection => connection.ExecuteAsync(
        "delete from stint.node where name = $1 and instance = $2", [Sql.Text(name), Sql.Text(instance)], cancellationToken), cancellationToken);

    /// <summary>Removes a machine for good: it is forgotten, and none of its certificates is accepted any more. False when nothing of that name is known.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<bool> RemoveAsync(string name, CancellationToken cancellationToken) => store.ChangeAsync(async (connection, change) =>
    {
        var nodes = await connection.ExecuteAsync("delete from stint.node where name = $1", [Sql.Text(name)], cancellationToken).ConfigureAwait(false);
        var certificates = await connection.ExecuteAsync("update stint.certificate set is_revoked = true, change = $2 where node = $1 and not is_revoked", [Sql.Text(name), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
        return nodes + certificates > 0;
    }, cancellationToken);

    private static NodeState Read(NpgsqlDataReader row) => new(
        new NodeEntry(row.GetString(0), row.GetString(1), row.GetBoolean(2), row.GetBoolean(3), row.GetString(4), row.GetString(5), row.GetString(6)),
        row.GetBoolean(7), new DateTimeOffset(row.GetDateTime(8), TimeSpan.Zero), row.GetBoolean(9), TimeSpan.FromSeconds(Math.Max(0, row.GetDouble(10))));
}

/// <summary>What a machine says of itself.</summary>
/// <param name="Name">Unique in the cluster.</param>
/// <param name="Instance">One run of its daemon: another one after each start.</param>
/// <param name="IsGateway">It takes calls from outside.</param>
/// <param name="IsWorker">It runs instances.</param>
/// <param name="Addresses">Where other machines reach it, with commas.</param>
/// <param name="Labels">JSON: text by text.</param>
/// <param name="Report">JSON: its load.</param>
internal sealed record NodeEntry(string Name, string Instance, bool IsGateway, bool IsWorker, string Addresses, string Labels, string Report)
{
    /// <summary>The key of its certificate (<see cref="Identity.NodeRoles.KeyOf"/>); empty: not known.</summary>
    public string Key { get; init; } = "";

    /// <summary>When this run of its daemon began, by its own clock, milliseconds since 1970; 0: not known.</summary>
    public long Started { get; init; }
}

/// <summary>A machine as the store has it.</summary>
/// <param name="Node">What it said last.</param>
/// <param name="IsDraining">It is to take no new calls.</param>
/// <param name="JoinedAt">When it was first seen.</param>
/// <param name="IsAlive">Its lease has not ended.</param>
/// <param name="SilentFor">How long ago the lease ended; zero for one that is alive.</param>
internal sealed record NodeState(NodeEntry Node, bool IsDraining, DateTimeOffset JoinedAt, bool IsAlive, TimeSpan SilentFor);
