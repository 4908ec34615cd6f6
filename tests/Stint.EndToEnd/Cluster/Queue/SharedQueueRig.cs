using Stint.Cluster.Queue;
using Stint.Cluster.Store;
using Stint.Deliveries.Storage;
using Stint.Tests.Deliveries;

namespace Stint.EndToEnd.Cluster.Queue;

/// <summary>The queue in a database of its own. The server's clock cannot be set: what is in the tables becomes older instead.</summary>
internal sealed class SharedQueueRig : EntryStoreRig
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-queue-").FullName;
    private readonly ClusterStore _store;
    private SharedEntryStore _entries;

    private SharedQueueRig(ClusterStore store, StoreLimits limits)
    {
        (_store, Limits) = (store, limits);
        _entries = Open(store);
        Bodies = new QueueBodies(store, _folder);
    }

    public static async Task<SharedQueueRig> OpenAsync(TestPostgres postgres, StoreLimits? limits = null) => new(await postgres.OpenStoreAsync(), limits ?? new StoreLimits());

    public override IEntryStore Store => _entries;

    public override IBodyStore Bodies { get; }

    public override StoreLimits Limits { get; }

    public override TimeProvider Time => TimeProvider.System;

    /// <summary>The store that it is in.</summary>
    public ClusterStore Cluster => _store;

    public override async Task ReopenAsync()
    {
        await _entries.DisposeAsync();
        _entries = Open(_store);
    }

    /// <summary>As another gateway sees it.</summary>
    public override Task<IEntryStore> OpenOtherAsync() => Task.FromResult<IEntryStore>(Open(_store));

    public override Task AdvanceAsync(TimeSpan time) => _store.UseAsync(async connection =>
    {
        await connection.ExecuteAsync("update stint.queue set due = due - $1 * interval '1 second', accepted = accepted - $1 * interval '1 second', ended = ended - $1 * interval '1 second'", [Sql.Seconds(time)], default);
        return await connection.ExecuteAsync("update stint.queue_body set used_at = used_at - $1 * interval '1 second'", [Sql.Seconds(time)], default);
    }, default);

    public override Task<int> CountBodiesAsync() => _store.UseAsync(connection => connection.ValueAsync<int>("select count(*)::integer from stint.queue_body", [], default), default);

    public override async ValueTask DisposeAsync()
    {
        await _entries.DisposeAsync();
        await _store.DisposeAsync();
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
        Directory.Delete(_folder);
    }

    private SharedEntryStore Open(ClusterStore store) => new(store, new QueueOptions { Limits = Limits, Patience = TimeSpan.FromSeconds(60) }, Time);
}
