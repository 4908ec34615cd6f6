using Stint.Deliveries;
using Stint.Deliveries.Storage.Sqlite;

namespace Stint.Tests.Deliveries;

public sealed class StoreSlotTests
{
    [Theory]
    [InlineData(0)] // no database at all
    [InlineData(1)] // in the middle of it
    public async Task A_damaged_file_is_set_aside_and_a_new_one_begun(int page)
    {
        await using var folder = new StoreFolder();
        for (var i = 0; i < 200; i++) await folder.Store.AddAsync([folder.Call($"{i}", body: new byte[2000])]);
        await folder.Store.DisposeAsync();
        var path = Path.Combine(folder.Folder, StoreSlot.FileName);
        using (var file = File.OpenWrite(path))
        {
            file.Position = page * 4096;
            var damage = new byte[page == 0 ? 4096 : 20 * 4096];
            Random.Shared.NextBytes(damage);
            file.Write(damage);
        }
        await using var slot = folder.Slot();
        slot.Open();
        Assert.Null(slot.Problem);
        Assert.Equal([Stint.Deliveries.Storage.Addition.Added], await slot.Store!.AddAsync([folder.Call("new")]));
        Assert.Single(await slot.Store.ListAsync(new(), 10));
        Assert.Single(Directory.EnumerateFiles(folder.Folder, StoreSlot.FileName + ".damaged-*"), static name => !name.EndsWith("-wal", StringComparison.Ordinal) && !name.EndsWith("-shm", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_file_of_a_later_version_is_left_alone()
    {
        await using var folder = new StoreFolder();
        await folder.Store.AddAsync([folder.Call("a")]);
        await folder.Store.DisposeAsync();
        var path = Path.Combine(folder.Folder, StoreSlot.FileName);
        using (var database = new SqliteDatabase(path)) database.Execute("PRAGMA user_version = 99");
        await using (var slot = folder.Slot())
        {
            slot.Open();
            Assert.Null(slot.Store);
            Assert.Contains("later version of Stint", slot.Problem, StringComparison.Ordinal);
        }
        using var after = new SqliteDatabase(path);
        Assert.Equal(1, after.ReadNumber("SELECT count(*) FROM entries"));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_made_is_said_with_its_reason()
    {
        await using var folder = new StoreFolder();
        var file = Path.Combine(folder.Folder, "file");
        await File.WriteAllTextAsync(file, "");
        await using var slot = new StoreSlot(Path.Combine(file, "async"), folder.Limits, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<StoreSlot>.Instance);
        slot.Open();
        Assert.Null(slot.Store);
        Assert.Contains(file, slot.Problem, StringComparison.Ordinal);
    }
}
