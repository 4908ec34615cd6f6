using Microsoft.Extensions.Logging.Abstractions;
using Stint.Backends.Vms.Snapshots;
using Stint.Invocations;
using Stint.Tests.Functions;

namespace Stint.Tests.Backends.Vms.Snapshots;

/// <summary>Which snapshots there are, who makes them, and what becomes of them.</summary>
public sealed class SnapshotStoreTests : IDisposable
{
    private static readonly FunctionName Function = Workbench.Name("f");
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-snapshots-").FullName;
    private readonly SnapshotStore _store;

    public SnapshotStoreTests() => _store = new SnapshotStore(Path.Combine(_folder, "snapshots"), NullLogger.Instance);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static Task Save(VmSnapshot snapshot) => File.WriteAllTextAsync(snapshot.State, "state");

    [Fact]
    public async Task One_machine_makes_it_and_the_others_wait()
    {
        Assert.Null(_store.Find(Function, "k"));
        Assert.True(_store.Claim("k"));
        Assert.False(_store.Claim("k"));
        var waiting = _store.MadeAsync("k");
        await _store.MakeAsync(Function, "k", Save);
        Assert.False(waiting.IsCompleted);
        _store.Release("k");
        await waiting.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        Assert.Equal("state", File.ReadAllText(_store.Find(Function, "k")!.State));
        Assert.True(_store.MadeAsync("k").IsCompleted);
    }

    [Fact]
    public void Who_gives_up_leaves_it_to_the_next()
    {
        Assert.True(_store.Claim("k"));
        _store.Release("k");
        Assert.True(_store.Claim("k"));
    }

    [Fact]
    public async Task What_fails_leaves_nothing_and_what_does_not_do_is_not_tried_again()
    {
        Assert.True(_store.Claim("k"));
        await Assert.ThrowsAsync<IOException>(() => _store.MakeAsync(Function, "k", static async snapshot =>
        {
            await Save(snapshot);
            throw new IOException("disk full");
        }));
        Assert.Null(_store.Find(Function, "k"));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(_folder, "snapshots", "f")));
        _store.Drop(Function, "k", "disk full");
        _store.Release("k");
        Assert.False(_store.Claim("k"));
        Assert.True(_store.Claim("of another version"));
    }

    [Fact]
    public async Task The_next_versions_takes_the_place_of_the_last()
    {
        await _store.MakeAsync(Function, "1", Save);
        await _store.MakeAsync(Function, "2", Save);
        Assert.Null(_store.Find(Function, "1"));
        Assert.NotNull(_store.Find(Function, "2"));
        _store.Forget(Function);
        Assert.Null(_store.Find(Function, "2"));
    }

    [Fact]
    public async Task Module_and_name_together_may_be_longer_than_a_files_name()
    {
        Assert.True(FunctionName.TryCreate(new string('m', FunctionName.MaxLength), new string('n', FunctionName.MaxLength), out var name));
        await _store.MakeAsync(name, "1", Save);
        await _store.MakeAsync(Function, "1", Save);
        _store.Sweep([name]);
        Assert.NotNull(_store.Find(name, "1"));
        Assert.Null(_store.Find(Function, "1"));
        _store.Forget(name);
        Assert.Null(_store.Find(name, "1"));
    }

    [Fact]
    public async Task A_start_removes_what_was_begun_and_what_is_of_functions_that_are_gone()
    {
        await _store.MakeAsync(Function, "1", Save);
        await _store.MakeAsync(Workbench.Name("gone"), "1", Save);
        Directory.CreateDirectory(Path.Combine(_folder, "snapshots", "f", "2.new"));
        _store.Sweep([Function]);
        Assert.NotNull(_store.Find(Function, "1"));
        Assert.Equal([Path.Combine(_folder, "snapshots", "f", "1")], Directory.GetDirectories(Path.Combine(_folder, "snapshots"), "*", SearchOption.AllDirectories).Where(static path => path.Count(static c => c == '/') > Path.GetTempPath().Count(static c => c == '/') + 2));
    }
}
