using System.Text;
using Stint.Cluster.Store;

namespace Stint.EndToEnd.Cluster.Store;

[Collection(TestPostgres.Collection)]
public sealed class SecretTableTests(TestPostgres postgres) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-key-").FullName;

    private string KeyFile => Path.Combine(_folder, "store.key");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Values_are_sealed_in_the_database_and_open_with_the_key_alone()
    {
        await using var store = await postgres.OpenStoreAsync();
        var key = await StoreKey.OpenAsync(KeyFile, store, default);
        Assert.NotNull(await store.Secrets.AddAsync(key, "_", "api", "sesame"u8.ToArray(), default));
        Assert.Null(await store.Secrets.AddAsync(key, "_", "api", "other"u8.ToArray(), default));
        Assert.Null(await store.Secrets.ReplaceAsync(key, "_", "none", "other"u8.ToArray(), default));
        Assert.Equal("sesame", Encoding.UTF8.GetString(Assert.Single(await store.Secrets.ChangedSinceAsync(key, 0, default)).Value!));
        var raw = await store.UseAsync(connection => connection.ValueAsync<byte[]>("select sealed from stint.secret", [], default), default);
        Assert.True(raw.AsSpan().IndexOf("sesame"u8) < 0);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));

        Assert.NotNull(await store.Secrets.ReplaceAsync(key, "_", "api", "open"u8.ToArray(), default));
        Assert.NotNull(await store.Secrets.RemoveAsync("_", "api", default));
        Assert.Null(await store.Secrets.RemoveAsync("_", "api", default));
        Assert.Null(Assert.Single(await store.Secrets.ChangedSinceAsync(key, 0, default)).Value);
        Assert.Equal(0, await store.Secrets.CountAsync(default));
    }

    [Fact]
    public async Task A_value_that_was_moved_to_another_name_does_not_open()
    {
        await using var store = await postgres.OpenStoreAsync();
        var key = await StoreKey.OpenAsync(KeyFile, store, default);
        await store.Secrets.AddAsync(key, "_", "api", "sesame"u8.ToArray(), default);
        await store.UseAsync(connection => connection.ExecuteAsync("update stint.secret set name = 'public'", [], default), default);
        Assert.Equal(StoreFault.Corrupt, (await Assert.ThrowsAsync<StoreException>(() => store.Secrets.ChangedSinceAsync(key, 0, default))).Fault);
    }

    [Fact]
    public async Task A_machine_with_another_key_or_none_is_refused()
    {
        await using var store = await postgres.OpenStoreAsync();
        await StoreKey.OpenAsync(KeyFile, store, default);
        await StoreKey.OpenAsync(KeyFile, store, default);
        var none = await Assert.ThrowsAsync<StoreException>(() => StoreKey.OpenAsync(Path.Combine(_folder, "none"), store, default));
        Assert.Contains("copy the file", none.Message, StringComparison.Ordinal);
        StoreKey.Create(Path.Combine(_folder, "other"));
        Assert.Equal(StoreFault.WrongKey, (await Assert.ThrowsAsync<StoreException>(() => StoreKey.OpenAsync(Path.Combine(_folder, "other"), store, default))).Fault);
    }

    [Fact]
    public async Task Of_machines_that_come_first_at_the_same_time_one_has_the_key()
    {
        await using var store = await postgres.OpenStoreAsync();
        var tries = Enumerable.Range(0, 5).Select(async i =>
        {
            try
            {
                return (await StoreKey.OpenAsync(Path.Combine(_folder, $"key{i}"), store, default)).Check;
            }
            catch (StoreException e) when (e.Fault == StoreFault.WrongKey)
            {
                return null;
            }
        });
        Assert.Single((await Task.WhenAll(tries)).OfType<string>());
    }
}
