using System.Globalization;
using Npgsql;

namespace Stint.Cluster.Store;

/// <summary>
/// One step of the tables' history: <c>Migrations/NNNN-WORDS.sql</c>, never changed once released. A step must leave the statements of the program before it working: during an upgrade both run.
/// </summary>
/// <param name="Number">1, 2, 3 …</param>
/// <param name="Name">The file's name.</param>
/// <param name="Text">SQL, several statements.</param>
internal sealed record Migration(int Number, string Name, string Text)
{
    // Any number that nobody else uses in this database: "Stint" in ASCII.
    private const long LockKey = 0x5374696E74;

    /// <summary>All that this program knows, in order.</summary>
    public static IReadOnlyList<Migration> All { get; } = Load();

    /// <summary>Applies what is missing, in one transaction: all or nothing. Others that come at the same time wait and find it done.</summary>
    /// <exception cref="StoreException">The tables are newer than these steps.</exception>
    public static async Task RunAsync(NpgsqlConnection connection, StoreAddress address, IReadOnlyList<Migration> steps, CancellationToken cancellationToken)
    {
        // Without the lock first: a program that only uses the tables needs no right to change them.
        if (await VersionAsync(connection, cancellationToken).ConfigureAwait(false) is { } present && IsCurrent(present, address, steps)) return;
        // Outside of the transaction: one that had begun before would not see the tables that another made while it waited (PostgreSQL's caches of names are refreshed when a transaction begins).
        await connection.ExecuteAsync("select pg_advisory_lock($1)", [Sql.Number(LockKey)], cancellationToken).ConfigureAwait(false);
        try
        {
            await ApplyAsync(connection, address, steps, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // A connection that broke has lost it anyway.
            if (connection.FullState is System.Data.ConnectionState.Open) await connection.ExecuteAsync("select pg_advisory_unlock($1)", [Sql.Number(LockKey)], CancellationToken.None).ConfigureAwait(false);
        }
    }

    private static async Task ApplyAsync(NpgsqlConnection connection, StoreAddress address, IReadOnlyList<Migration> steps, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        var version = await VersionAsync(connection, cancellationToken).ConfigureAwait(false) ?? 0;
        if (IsCurrent(version, address, steps)) return;
        await connection.ExecuteAsync("create schema if not exists stint", [], cancellationToken).ConfigureAwait(false);
        await connection.ExecuteAsync(
            "create table if not exists stint.schema_step (number integer primary key, name text not null, applied_at timestamptz not null default clock_timestamp())", [], cancellationToken).ConfigureAwait(false);
        foreach (var step in steps.Where(step => step.Number > version))
        {
            await connection.ExecuteAsync(step.Text, [], cancellationToken).ConfigureAwait(false);
            await connection.ExecuteAsync("insert into stint.schema_step (number, name) values ($1, $2)", [Sql.Small(step.Number), Sql.Text(step.Name)], cancellationToken).ConfigureAwait(false);
        }
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
    }

    private static bool IsCurrent(int version, StoreAddress address, IReadOnlyList<Migration> steps) => version <= steps[^1].Number
        ? version == steps[^1].Number
        : throw new StoreException(StoreFault.NewerSchema, $"the store {address} was changed by a newer Stint (step {version}; this one knows {steps[^1].Number}); upgrade this machine");

    private static async Task<int?> VersionAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var isThere = await connection.ValueAsync<bool>("select to_regclass('stint.schema_step') is not null", [], cancellationToken).ConfigureAwait(false);
        return isThere ? await connection.ValueAsync<int>("select coalesce(max(number), 0) from stint.schema_step", [], cancellationToken).ConfigureAwait(false) : null;
    }

    private static List<Migration> Load()
    {
        const string prefix = "migrations/";
        var assembly = typeof(Migration).Assembly;
        var steps = new List<Migration>();
        foreach (var resource in assembly.GetManifestResourceNames().Where(static name => name.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            steps.Add(new Migration(int.Parse(resource.AsSpan(prefix.Length, 4), NumberStyles.None, CultureInfo.InvariantCulture), resource[prefix.Length..], reader.ReadToEnd()));
        }
        return steps;
    }
}
