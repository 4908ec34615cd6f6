using Stint.Deliveries.Storage;
using Stint.Deliveries.Storage.Sqlite;
using Stint.Tests.Functions;

namespace Stint.Tests.Deliveries;

public sealed class CommitThreadTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_comes_while_the_disk_is_busy_shares_the_next_commit()
    {
        var database = Table();
        await using var thread = Start(database);
        using var busy = new ManualResetEventSlim();
        var first = thread.RunAsync(() => busy.Wait(TimeSpan.FromSeconds(60)));
        var others = Enumerable.Range(0, 100).Select(i => thread.RunAsync(() => Insert(database, i))).ToList();
        busy.Set();
        Assert.True(await first);
        await Task.WhenAll(others);
        // The thread may have taken the first with or without some of the others, but by then all of them were there.
        Assert.InRange(thread.Commits, 1, 2);
        Assert.Equal(101, thread.Changes);
        Assert.Equal(100, Rows());
    }

    [Fact]
    public async Task A_change_that_fails_does_not_take_the_others_with_it()
    {
        var database = Table();
        await using var thread = Start(database);
        using var busy = new ManualResetEventSlim();
        var first = thread.RunAsync(() => busy.Wait(TimeSpan.FromSeconds(60)));
        var good = thread.RunAsync(() => Insert(database, 1));
        var bad = thread.RunAsync(() =>
        {
            Insert(database, 2);
            return Insert(database, 1);
        });
        var late = thread.RunAsync(() => Insert(database, 3));
        busy.Set();
        await first;
        await good;
        await late;
        Assert.Contains("UNIQUE", (await Assert.ThrowsAsync<StoreException>(() => bad)).Message, StringComparison.Ordinal);
        Assert.Equal(2, Rows());
    }

    [Fact]
    public async Task What_is_queued_is_done_before_it_ends_and_later_changes_are_refused()
    {
        var database = Table();
        var thread = Start(database);
        var queued = Enumerable.Range(0, 10).Select(i => thread.RunAsync(() => Insert(database, i))).ToList();
        await thread.DisposeAsync();
        await Task.WhenAll(queued);
        Assert.Equal(10, Rows());
        await Assert.ThrowsAsync<StoreException>(() => thread.RunAsync(static () => 1));
    }

    private static int Insert(SqliteDatabase database, int value)
    {
        using var statement = database.PrepareOnce("INSERT INTO t VALUES(?1)");
        statement.Bind(1, value).Run();
        return value;
    }

    private static CommitThread Start(SqliteDatabase database) => new(database, static () => { }, static () => { }, static failure => new StoreException(failure.Message, failure.IsFull));

    private SqliteDatabase Table()
    {
        var database = new SqliteDatabase(_folder["t.db"]);
        database.Execute("PRAGMA journal_mode = WAL; CREATE TABLE t(v INTEGER PRIMARY KEY)");
        return database;
    }

    private long Rows()
    {
        using var database = new SqliteDatabase(_folder["t.db"], readOnly: false);
        return database.ReadNumber("SELECT count(*) FROM t");
    }
}
