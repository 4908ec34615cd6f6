using System.Net.Sockets;
using Npgsql;

namespace Stint.Cluster.Store;

/// <summary>The store did not do what was asked. The message is for the operator: what, why, what to do; it names no password.</summary>
internal sealed class StoreException(StoreFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What kind.</summary>
    public StoreFault Fault { get; } = fault;

    /// <summary>Turns what Npgsql throws into words; null when it is none of that.</summary>
    /// <param name="error">The exception.</param>
    /// <param name="address">For the message.</param>
    public static StoreException? From(Exception error, StoreAddress address) => error switch
    {
        // Classes of SQLSTATE: PostgreSQL, appendix A.
        PostgresException { SqlState: "57P01" or "57P02" or "57P03" or "25P03" } => Away(error, address),
        PostgresException { SqlState: "55P03" } =>
            new(StoreFault.Away, $"the store {address} is busy: another gateway has held a change for 20 s; try again, and see pg_stat_activity for what hangs", error),
        PostgresException { SqlState: "3D000" } => new(StoreFault.Denied, $"the store {address} has no such database; make it with: createdb -O USER DATABASE", error),
        PostgresException { SqlState: "42501" } postgres => new(StoreFault.Denied, $"the store {address} does not permit it: {postgres.MessageText}; its user must own the database, or the schema stint in it", error),
        PostgresException { SqlState: "53100" } => new(StoreFault.Away, $"the store {address} has no room on its disk", error),
        PostgresException { SqlState: "53300" } => new(StoreFault.Away, $"the store {address} has no connection left; raise max_connections: each gateway uses up to 20", error),
        PostgresException { SqlState: ['0', '8', ..] } => Away(error, address),
        PostgresException { SqlState: ['2', '8', ..] } postgres => new(StoreFault.Denied, $"the store {address} lets nobody in: {postgres.MessageText}; look at user and password, and at pg_hba.conf", error),
        PostgresException postgres => new(StoreFault.Broken, $"the store {address} failed unexpectedly: {postgres.SqlState} {postgres.MessageText}", error),
        NpgsqlException or SocketException or TimeoutException or ObjectDisposedException => Away(error, address),
        _ => null,
    };

    private static StoreException Away(Exception error, StoreAddress address) =>
        new(StoreFault.Away, $"the store {address} does not answer: {(error.InnerException ?? error).Message}; what is deployed goes on, changes wait until it is back", error);
}

/// <summary>Kinds of failure.</summary>
internal enum StoreFault
{
    /// <summary>It does not answer, or has no room: it may later. Of a change it may be unknown whether it was made.</summary>
    Away,

    /// <summary>User, password, database or rights are wrong.</summary>
    Denied,

    /// <summary>A newer program has changed the tables.</summary>
    NewerSchema,

    /// <summary>The key file is not the one that the store's secrets were sealed with, or there is none.</summary>
    WrongKey,

    /// <summary>What is stored was altered or is incomplete: a hash or a seal does not fit.</summary>
    Corrupt,

    /// <summary>It contradicts what is there; the message says what.</summary>
    Conflict,

    /// <summary>Anything else: a mistake of ours, or of whoever changed the tables.</summary>
    Broken,
}
