// What several machines share, in PostgreSQL: the schema "stint" of one database. PostgreSQL decides every race; nothing here is agreed upon among gateways.
//
//   store      one row: the store's identity, and the number of the last change. Whoever changes something increments it first and so holds it until the commit:
//              changes become visible in the order of their numbers, and a reader that has seen number n has seen everything before it
//   rows       functions, modules and secrets carry the number of their last change; what was removed stays as a row without content, so that readers learn of it
//   blobs      what functions are made of, by SHA3-256, in chunks; written before, outside of, the short transaction that makes them a version
//
// Every operation ends on a thread of the pool: completions of sockets run on the thread that waits for them (Program.cs), and whoever asks the store writes files next.
using Npgsql;

namespace Stint.Cluster.Store;

/// <summary>The connection to the store, and its parts.</summary>
internal sealed class ClusterStore : IAsyncDisposable
{
    /// <summary>The channel of <c>NOTIFY</c> that says that there is a change.</summary>
    public const string ChangeChannel = "stint_change";

    private readonly NpgsqlDataSource _source;
    private readonly TaskCompletionSource _prepared = new();

    /// <summary>Nothing is connected yet: see <see cref="PrepareAsync"/>.</summary>
    /// <param name="address">Where it is.</param>
    public ClusterStore(StoreAddress address)
    {
        Address = address;
        var builder = new NpgsqlSlimDataSourceBuilder(address.ConnectionString);
        builder.EnableTransportSecurity();
        builder.EnableArrays();
        _source = builder.Build();
        Blobs = new BlobTable(this);
        Functions = new FunctionTable(this, Blobs);
        Texts = new TextTable(this);
        Modules = new ModuleNames(this);
        Secrets = new SecretTable(this);
        Leases = new LeaseTable(this);
        Schedules = new ScheduleTable(this);
        Nodes = new NodeTable(this);
        Authority = new AuthorityTable(this);
    }

    /// <summary>Where it is.</summary>
    public StoreAddress Address { get; }

    /// <summary>Ends when the tables have been found to be as this program wants them. Who asks before on a new database finds none, which the server notes as an error. What waits for it is to be short.</summary>
    public Task Prepared => _prepared.Task;

    /// <summary>What functions are made of.</summary>
    public BlobTable Blobs { get; }

    /// <summary>Functions and their versions.</summary>
    public FunctionTable Functions { get; }

    /// <summary>Modules that somebody made, scripts, subjects.</summary>
    public TextTable Texts { get; }

    /// <summary>Names of modules.</summary>
    public ModuleNames Modules { get; }

    /// <summary>Secrets, sealed.</summary>
    public SecretTable Secrets { get; }

    /// <summary>Who owns what, for a while.</summary>
    public LeaseTable Leases { get; }

    /// <summary>Until when schedules have been dealt with.</summary>
    public ScheduleTable Schedules { get; }

    /// <summary>The machines.</summary>
    public NodeTable Nodes { get; }

    /// <summary>What vouches for them.</summary>
    public AuthorityTable Authority { get; }

    /// <summary>Connects to a store whose tables are as this program wants them.</summary>
    /// <inheritdoc cref="PrepareAsync"/>
    public static async Task<ClusterStore> OpenAsync(StoreAddress address, CancellationToken cancellationToken)
    {
        var store = new ClusterStore(address);
        try
        {
            await store.PrepareAsync(cancellationToken).ConfigureAwait(false);
            return store;
        }
        catch
        {
            await store.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Makes the tables or brings them up to date, whoever comes first; says which store this is.</summary>
    /// <exception cref="StoreException">It is away, not permitted, or newer than this program.</exception>
    public Task<StorePosition> PrepareAsync(CancellationToken cancellationToken) => UseAsync(async connection =>
    {
        await Migration.RunAsync(connection, Address, Migration.All, cancellationToken).ConfigureAwait(false);
        _prepared.TrySetResult();
        return await PositionAsync(connection, cancellationToken).ConfigureAwait(false);
    }, cancellationToken);

    /// <summary>Which store this is and how far it has come.</summary>
    /// <exception cref="StoreException">It is away.</exception>
    public Task<StorePosition> PositionAsync(CancellationToken cancellationToken) => UseAsync(connection => PositionAsync(connection, cancellationToken), cancellationToken);

    /// <summary>As above, on a connection.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="seconds">How long to wait for the answer; 0 = as long as for any command.</param>
    public static async Task<StorePosition> PositionAsync(NpgsqlConnection connection, CancellationToken cancellationToken, int seconds = 0)
    {
        await using var command = connection.Command("select id::text, change from stint.store");
        if (seconds > 0) command.CommandTimeout = seconds;
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        return await reader.ReadAsync(cancellationToken).ConfigureAwait(false)
            ? new StorePosition(reader.GetString(0), reader.GetInt64(1))
            : throw new StoreException(StoreFault.Corrupt, "the table stint.store has no row; restore the database from its backup");
    }

    /// <summary>Opens a connection, for whoever keeps it: the one that listens.</summary>
    /// <exception cref="StoreException">It is away.</exception>
    public async Task<NpgsqlConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (StoreException.From(e, Address) is { } known)
        {
            throw cancellationToken.IsCancellationRequested ? new OperationCanceledException(e.Message, e, cancellationToken) : known;
        }
    }

    /// <summary>Closes idle connections: after the server was away they are dead, and each would fail whoever takes it.</summary>
    public void DropIdle() => _source.Clear();

    /// <summary>Does something on a connection.</summary>
    /// <exception cref="StoreException">It failed.</exception>
    public async Task<T> UseAsync<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await DoAsync().ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && StoreException.From(e, Address) is { } known)
        {
            throw known;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new StoreException(StoreFault.Away, $"the store {Address} did not answer in time");
        }
        catch (Exception e) when (cancellationToken.IsCancellationRequested && StoreException.From(e, Address) is not null)
        {
            // Npgsql says what broke while it was being given up; to the caller, who gave it up, that is all the same.
            throw new OperationCanceledException(e.Message, e, cancellationToken);
        }

        async Task<T> DoAsync()
        {
            await using var connection = await _source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
            return await work(connection).ConfigureAwait(false);
        }
    }

    /// <summary>Does something in a transaction, which is given up when it throws.</summary>
    /// <exception cref="StoreException">It failed; when the connection broke at the commit, it is unknown whether it was done.</exception>
    public Task<T> TransactAsync<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellationToken) => UseAsync(async connection =>
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        var result = await work(connection).ConfigureAwait(false);
        // Not to be given up half-way: the caller could not know.
        await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        return result;
    }, cancellationToken);

    /// <summary>Does something that others must learn of, in a transaction; the work is given the number of its change. One at a time in the whole cluster.</summary>
    /// <exception cref="StoreException">It failed.</exception>
    public Task<T> ChangeAsync<T>(Func<NpgsqlConnection, long, Task<T>> work, CancellationToken cancellationToken) => TransactAsync(async connection =>
    {
        var change = await connection.ValueAsync<long>("update stint.store set change = change + 1 returning change", [], cancellationToken).ConfigureAwait(false);
        var result = await work(connection, change).ConfigureAwait(false);
        // Delivered at the commit, and not at all without one.
        await connection.ExecuteAsync($"notify {ChangeChannel}", [], cancellationToken).ConfigureAwait(false);
        return result;
    }, cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _source.DisposeAsync();
}

/// <summary>How far a store has come.</summary>
/// <param name="Store">Its identity: another one after <c>createdb</c>, the same after a restored backup.</param>
/// <param name="Change">The number of its last change.</param>
internal readonly record struct StorePosition(string Store, long Change);
