using System.Buffers;
using System.IO.Pipelines;
using Stint.Deliveries.Storage;
using Stint.Tests.Time;

namespace Stint.Tests.Deliveries;

public sealed class SqliteEntryStoreTests : EntryStoreContract
{
    private protected override Task<EntryStoreRig> OpenAsync(StoreLimits limits) => Task.FromResult<EntryStoreRig>(new StoreFolder(new FakeTime(), limits));

    [Fact]
    public async Task The_next_run_takes_over_what_an_earlier_one_had_claimed()
    {
        await using var folder = new StoreFolder(new FakeTime());
        await folder.Store.AddAsync([folder.Call("a")]);
        await folder.Store.ClaimAsync("call:f", false, 10, folder.Lease());
        await using var next = folder.OpenCopy();
        Assert.Equal("a", Assert.Single(await next.ClaimAsync("call:f", false, 10, folder.Lease("next"))).Entry.Id);
    }

    [Fact]
    public async Task Files_that_no_entry_names_are_removed_at_the_next_start()
    {
        await using var folder = new StoreFolder(new FakeTime());
        var (first, _) = (await folder.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(new byte[100])), 100))!.Value;
        await folder.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(new byte[100])), 100);
        await folder.Store.AddAsync([folder.Call("a", file: first)]);
        Assert.Equal(2, await folder.CountBodiesAsync());
        await folder.ReopenAsync();
        Assert.Equal(1, await folder.CountBodiesAsync());
    }
}
