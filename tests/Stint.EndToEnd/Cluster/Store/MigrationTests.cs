using Stint.Cluster.Store;

namespace Stint.EndToEnd.Cluster.Store;

[Collection(TestPostgres.Collection)]
public sealed class MigrationTests(TestPostgres postgres)
{
    [Fact]
    public async Task Gateways_that_come_at_the_same_time_make_the_tables_once()
    {
        var address = StoreAddress.Parse(await postgres.CreateDatabaseAsync());
        var stores = Enumerable.Range(0, 8).Select(_ => new ClusterStore(address)).ToList();
        var positions = await Task.WhenAll(stores.Select(store => store.PrepareAsync(default)));
        Assert.Single(positions.Distinct());
        Assert.Equal(Migration.All.Count, await stores[0].UseAsync(connection => connection.ValueAsync<long>("select count(*) from stint.schema_step", [], default), default));
        foreach (var store in stores) await store.DisposeAsync();
    }

    [Fact]
    public void Steps_are_numbered_without_a_gap() => Assert.Equal(Enumerable.Range(1, Migration.All.Count), Migration.All.Select(static step => step.Number));

    [Fact]
    public async Task A_later_step_is_added_to_what_is_there_and_nothing_is_lost()
    {
        await using var store = await postgres.OpenStoreAsync();
        await store.Texts.PutAsync(null, TextTable.Modules, "shop", "{}"u8.ToArray(), default);
        Migration[] more = [.. Migration.All, new Migration(Migration.All.Count + 1, "next.sql", "alter table stint.module add column more text")];
        await store.UseAsync(async connection =>
        {
            await Migration.RunAsync(connection, store.Address, more, default);
            return true;
        }, default);
        Assert.Equal("shop", Assert.Single((await store.Texts.ListAsync(null, TextTable.Modules, default))!).Key);
    }

    [Fact]
    public async Task A_step_that_fails_leaves_everything_as_it_was()
    {
        await using var store = await postgres.OpenStoreAsync();
        Migration[] more = [.. Migration.All, new Migration(Migration.All.Count + 1, "good.sql", "create table stint.good (a integer)"), new Migration(Migration.All.Count + 2, "bad.sql", "create table nowhere.bad (a integer)")];
        await Assert.ThrowsAsync<StoreException>(() => store.UseAsync(async connection =>
        {
            await Migration.RunAsync(connection, store.Address, more, default);
            return true;
        }, default));
        Assert.False(await store.UseAsync(connection => connection.ValueAsync<bool>("select to_regclass('stint.good') is not null", [], default), default));
        await store.PrepareAsync(default);
    }

    [Fact]
    public async Task An_older_program_refuses_newer_tables_and_touches_nothing()
    {
        await using var store = await postgres.OpenStoreAsync();
        await store.UseAsync(connection => connection.ExecuteAsync("insert into stint.schema_step (number, name) values (9999, 'of the future')", [], default), default);
        var refusal = await Assert.ThrowsAsync<StoreException>(() => store.PrepareAsync(default));
        Assert.Equal(StoreFault.NewerSchema, refusal.Fault);
        Assert.Contains("upgrade this machine", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_that_is_not_there_and_a_server_that_is_not_there_are_told_apart()
    {
        var address = await postgres.CreateDatabaseAsync();
        await using var none = new ClusterStore(StoreAddress.Parse(address.Replace("/test_", "/never_", StringComparison.Ordinal)));
        var missing = await Assert.ThrowsAsync<StoreException>(() => none.PrepareAsync(default));
        Assert.Equal(StoreFault.Denied, missing.Fault);
        Assert.Contains("createdb", missing.Message, StringComparison.Ordinal);

        await using var nowhere = new ClusterStore(StoreAddress.Parse("postgres://stint:hush@127.0.0.1:1/stint"));
        var away = await Assert.ThrowsAsync<StoreException>(() => nowhere.PrepareAsync(default));
        Assert.Equal(StoreFault.Away, away.Fault);
        Assert.DoesNotContain("hush", away.ToString(), StringComparison.Ordinal);
    }
}
