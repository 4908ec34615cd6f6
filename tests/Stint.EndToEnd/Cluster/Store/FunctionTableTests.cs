using Stint.Cluster.Store;
using Stint.Invocations;

namespace Stint.EndToEnd.Cluster.Store;

[Collection(TestPostgres.Collection)]
public sealed class FunctionTableTests(TestPostgres postgres) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-store-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_folder_of_many_chunks_comes_back_as_it_was()
    {
        await using var store = await postgres.OpenStoreAsync();
        var source = Folder("source");
        var bytes = new byte[3 * BlobTable.ChunkSize + 12_345];
        new Random(1).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Combine(source, "large"), bytes);
        var hash = await store.Functions.UploadAsync(source, default);
        var target = Path.Combine(_folder, "target");
        await store.Functions.DownloadAsync(hash, target, default);
        Assert.Equal(FolderPicture.Of(source), FolderPicture.Of(target));
        Assert.Equal((await FunctionTable.HashAsync(source, default)).Hash, hash);
    }

    [Fact]
    public async Task What_several_store_at_the_same_time_is_stored_once()
    {
        await using var store = await postgres.OpenStoreAsync();
        var source = Folder("source");
        await File.WriteAllBytesAsync(Path.Combine(source, "large"), new byte[2 * BlobTable.ChunkSize]);
        var hashes = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => store.Functions.UploadAsync(source, default)));
        Assert.Single(hashes.Distinct());
        Assert.Equal(1, await CountAsync(store, "stint.blob"));
        Assert.Equal(3, await CountAsync(store, "stint.blob_chunk"));
    }

    [Theory]
    [InlineData("update stint.blob_chunk set data = set_byte(data, 100, get_byte(data, 100) # 1)")]
    [InlineData("delete from stint.blob_chunk where number = 1")]
    [InlineData("delete from stint.blob_chunk")]
    [InlineData("update stint.blob_chunk set data = data || 'x' where number = 2")]
    public async Task What_was_altered_in_the_database_is_refused(string sql)
    {
        await using var store = await postgres.OpenStoreAsync();
        var source = Folder("source");
        await File.WriteAllBytesAsync(Path.Combine(source, "large"), new byte[2 * BlobTable.ChunkSize]);
        var hash = await store.Functions.UploadAsync(source, default);
        await store.UseAsync(connection => connection.ExecuteAsync(sql, [], default), default);
        var refusal = await Assert.ThrowsAsync<StoreException>(() => store.Functions.DownloadAsync(hash, Path.Combine(_folder, "target"), default));
        Assert.Equal(StoreFault.Corrupt, refusal.Fault);
    }

    [Fact]
    public async Task Gateways_that_deploy_the_same_function_at_once_get_a_version_each_and_the_last_one_serves()
    {
        await using var one = await postgres.OpenStoreAsync();
        await using var other = new ClusterStore(one.Address);
        var name = Name("echo");
        var hashes = new List<string>();
        for (var i = 0; i < 4; i++)
        {
            var source = Folder($"source{i}");
            await File.WriteAllTextAsync(Path.Combine(source, "fn.py"), $"{i}");
            hashes.Add(await one.Functions.UploadAsync(source, default));
        }
        var committed = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => (i % 2 == 0 ? one : other).Functions.CommitAsync(name, hashes[i % 4], null, $"node{i % 2}", default)));
        Assert.Equal(Enumerable.Range(1, 40).Select(static n => (long)n), committed.Select(static function => function.Version).Order());
        Assert.Equal(committed.OrderBy(static function => function.Version), committed.OrderBy(static function => function.Change));
        var serving = await one.Functions.FindAsync(name, default);
        Assert.Equal(committed.MaxBy(static function => function.Version), serving);
        var versions = await other.Functions.VersionsAsync(name, default);
        Assert.Equal(Enumerable.Range(31, FunctionTable.KeptVersions).Reverse().Select(static n => (long)n), versions.Select(static version => version.Number));
    }

    [Fact]
    public async Task A_reader_never_misses_a_change_however_many_write()
    {
        await using var store = await postgres.OpenStoreAsync();
        var hash = await store.Functions.UploadAsync(Folder("source"), default);
        const int functions = 60;
        var writers = Task.WhenAll(Enumerable.Range(0, functions).Select(i => store.Functions.CommitAsync(Name($"f{i}"), hash, null, "node", default)));
        var seen = new HashSet<FunctionName>();
        long position = 0;
        while (seen.Count < functions)
        {
            var isLast = writers.IsCompleted;
            foreach (var function in await store.Functions.ChangedSinceAsync(position, default))
            {
                Assert.True(function.Change > position);
                position = function.Change;
                seen.Add(function.Name);
            }
            if (isLast) break;
        }
        await writers;
        Assert.Equal(functions, seen.Count);
    }

    [Fact]
    public async Task A_removed_function_is_reported_as_gone_and_starts_again_with_the_next_number()
    {
        await using var store = await postgres.OpenStoreAsync();
        var hash = await store.Functions.UploadAsync(Folder("source"), default);
        var first = await store.Functions.CommitAsync(Name("echo"), hash, true, "node", default);
        var removed = await store.Functions.RemoveAsync(Name("echo"), default);
        Assert.True(removed > first.Change);
        Assert.Null(Assert.Single(await store.Functions.ChangedSinceAsync(first.Change, default)).Hash);
        Assert.Null(await store.Functions.FindAsync(Name("echo"), default));
        Assert.Empty(await store.Functions.VersionsAsync(Name("echo"), default));
        Assert.Null(await store.Functions.RemoveAsync(Name("echo"), default));
        Assert.Null(await store.Functions.RemoveAsync(Name("never"), default));
        await store.Functions.CommitAsync(Name("echo"), hash, null, "node", default);
        var again = await store.Functions.FindAsync(Name("echo"), default);
        Assert.Equal(2, again!.Version);
        Assert.False(again.IsFlat);
    }

    [Fact]
    public async Task Only_blobs_that_nobody_needs_are_swept_and_a_deployment_that_was_too_slow_is_told()
    {
        await using var store = await postgres.OpenStoreAsync();
        var used = await store.Functions.UploadAsync(Folder("source"), default);
        await store.Functions.CommitAsync(Name("echo"), used, null, "node", default);
        var other = Folder("other");
        await File.WriteAllTextAsync(Path.Combine(other, "fn.py"), "other");
        var orphan = await store.Functions.UploadAsync(other, default);
        Assert.Equal(0, await store.Blobs.SweepAsync(TimeSpan.FromHours(1), default));
        Assert.Equal(1, await store.Blobs.SweepAsync(TimeSpan.Zero, default));
        var late = await Assert.ThrowsAsync<StoreException>(() => store.Functions.CommitAsync(Name("late"), orphan, null, "node", default));
        Assert.Equal(StoreFault.Conflict, late.Fault);
        Assert.Null(await store.Functions.FindAsync(Name("late"), default));
        await store.Functions.DownloadAsync(used, Path.Combine(_folder, "target"), default);
    }

    [Fact]
    public async Task A_change_that_is_given_up_is_none()
    {
        await using var store = await postgres.OpenStoreAsync();
        var before = await store.PositionAsync(default);
        await Assert.ThrowsAsync<InvalidOperationException>(() => store.ChangeAsync<bool>((_, _) => throw new InvalidOperationException(), default));
        Assert.Equal(before, await store.PositionAsync(default));
    }

    private static Task<long> CountAsync(ClusterStore store, string table) => store.UseAsync(connection => connection.ValueAsync<long>($"select count(*) from {table}", [], default), default);

    private static FunctionName Name(string text) => FunctionName.TryParse(text, out var name) ? name : throw new ArgumentException(text);

    private string Folder(string name)
    {
        var folder = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.Combine(folder, "code", "empty"));
        File.WriteAllText(Path.Combine(folder, "function.toml"), "[process]\nruntime = \"python3\"\n");
        return folder;
    }
}
