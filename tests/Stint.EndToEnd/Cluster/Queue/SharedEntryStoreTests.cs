using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using Stint.Cluster.Queue;
using Stint.Deliveries.Storage;
using Stint.EndToEnd.Fixtures;
using Stint.Tests.Deliveries;

namespace Stint.EndToEnd.Cluster.Queue;

[Collection(TestPostgres.Collection)]
public sealed class SharedEntryStoreTests(TestPostgres postgres) : EntryStoreContract
{
    private const string Lane = "call:f";

    private protected override async Task<EntryStoreRig> OpenAsync(StoreLimits limits) => await SharedQueueRig.OpenAsync(postgres, limits);

    [Fact]
    public async Task What_several_gateways_take_at_once_each_takes_once()
    {
        await using var rig = await SharedQueueRig.OpenAsync(postgres);
        await rig.Store.AddAsync([.. Enumerable.Range(0, 500).Select(i => rig.Call($"{i:000}"))]);
        var taken = new ConcurrentBag<string>();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async i =>
        {
            await using var gateway = await rig.OpenOtherAsync();
            while (await gateway.ClaimAsync(Lane, ordered: false, 7, rig.Lease($"gateway {i}")) is { Count: > 0 } some)
                foreach (var one in some) taken.Add(one.Entry.Id);
        }));
        Assert.Equal(Enumerable.Range(0, 500).Select(static i => $"{i:000}"), taken.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task In_order_stays_in_order_with_several_gateways()
    {
        await using var rig = await SharedQueueRig.OpenAsync(postgres);
        await rig.Store.AddAsync([.. Enumerable.Range(0, 120).Select(i => rig.Call($"{i:000}"))]);
        var done = new ConcurrentQueue<string>();
        await Task.WhenAll(Enumerable.Range(0, 3).Select(async i =>
        {
            await using var gateway = await rig.OpenOtherAsync();
            while (await gateway.NextDueAsync(Lane, ordered: true) is not null)
            {
                // Held by another, it gives nothing.
                foreach (var one in await gateway.ClaimAsync(Lane, ordered: true, 3, rig.Lease($"gateway {i}")))
                {
                    done.Enqueue(one.Entry.Id);
                    await gateway.EndAsync(one, new Ending.Done([]));
                }
            }
        }));
        Assert.Equal(Enumerable.Range(0, 120).Select(static i => $"{i:000}"), done);
    }

    [Fact]
    public async Task An_identity_counts_for_all_gateways()
    {
        await using var rig = await SharedQueueRig.OpenAsync(postgres);
        await using var other = await rig.OpenOtherAsync();
        for (var i = 0; i < 50; i++)
        {
            var id = $"{i}";
            var additions = await Task.WhenAll(rig.Store.AddAsync([rig.Call(id)]), other.AddAsync([rig.Call(id)]));
            Assert.Equal([Addition.Added, Addition.Known], additions.Select(static one => one[0]).Order());
        }
        Assert.Equal(50, (await rig.Store.ListAsync(new EntryFilter(), 100)).Count);
    }

    [Fact]
    public async Task What_one_gateway_counts_the_others_learn()
    {
        await using var rig = await SharedQueueRig.OpenAsync(postgres);
        await using var other = await rig.OpenOtherAsync();
        await rig.Store.AddAsync([rig.Call("a"), rig.Call("b")]);
        await Retry.UntilAsync("the other has counted them", () => other.Usage.Of(EntryStoreRig.Name()).Calls == 2);
        foreach (var one in await other.ClaimAsync(Lane, false, 10, rig.Lease("other"))) await other.EndAsync(one, new Ending.Done([]));
        await Retry.UntilAsync("they are gone", () => rig.Store.Usage.Of(EntryStoreRig.Name()).Calls == 0 && rig.Store.Usage.Bytes == 0);
        await rig.Store.SweepAsync();
        Assert.Equal(0, await rig.Cluster.UseAsync(async connection => (await Stint.Cluster.Store.Sql.RowsAsync(connection, "select 1 from stint.queue_usage", [], static _ => 0, default)).Count, default));
    }

    [Fact]
    public async Task A_late_removal_does_not_bury_what_was_accepted_since()
    {
        await using var rig = await SharedQueueRig.OpenAsync(postgres);
        await rig.Store.AddAsync([rig.Call("a")]);
        var code = Directory.CreateTempSubdirectory("stint-code-").FullName;
        await File.WriteAllTextAsync(Path.Combine(code, "function.toml"), "");
        var hash = await rig.Cluster.Functions.UploadAsync(code, default);
        Directory.Delete(code, recursive: true);
        await rig.Cluster.Functions.CommitAsync(EntryStoreRig.Name(), hash, null, "test", default);
        Assert.Equal(0, await rig.Store.BuryCallsAsync(EntryStoreRig.Name(), "gone"));
        await rig.Cluster.Functions.RemoveAsync(EntryStoreRig.Name(), default);
        Assert.Equal(1, await rig.Store.BuryCallsAsync(EntryStoreRig.Name(), "gone"));
    }

    [Fact]
    public async Task Bodies_that_no_entry_names_go_after_a_while()
    {
        await using var rig = await SharedQueueRig.OpenAsync(postgres);
        var (kept, _) = (await rig.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(new byte[10])), 100))!.Value;
        await rig.Store.AddAsync([rig.Call("a", file: kept)]);
        await rig.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(new byte[10])), 100);
        await rig.Store.SweepAsync();
        Assert.Equal(2, await rig.CountBodiesAsync());
        await rig.AdvanceAsync(2 * QueueBodies.UnusedFor);
        await rig.Store.SweepAsync();
        Assert.Equal(1, await rig.CountBodiesAsync());
    }

    [Fact]
    public async Task While_the_server_is_away_everything_is_refused_with_the_reason_and_works_again_afterwards()
    {
        await using var rig = await SharedQueueRig.OpenAsync(postgres);
        await rig.Store.AddAsync([rig.Call("a")]);
        await postgres.StopAsync();
        try
        {
            foreach (var work in (Func<Task>[])
                     [
                         () => rig.Store.AddAsync([rig.Call("b")]), () => rig.Store.ClaimAsync(Lane, false, 1, rig.Lease()), () => rig.Store.LanesAsync(), () => rig.Store.SweepAsync(),
                         () => rig.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(new byte[10])), 100),
                     ])
                Assert.Contains("does not answer", (await Assert.ThrowsAsync<StoreException>(work)).Message, StringComparison.Ordinal);
        }
        finally
        {
            await postgres.StartAsync();
        }
        rig.Cluster.DropIdle();
        Assert.Equal([Addition.Added], await rig.Store.AddAsync([rig.Call("b")]));
        Assert.Equal(2, (await rig.Store.ClaimAsync(Lane, false, 10, rig.Lease())).Count);
    }
}
