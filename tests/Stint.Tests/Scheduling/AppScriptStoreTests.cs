using Microsoft.Extensions.Logging.Abstractions;
using Stint.Scheduling;
using Stint.Tests.Functions;

namespace Stint.Tests.Scheduling;

public sealed class AppScriptStoreTests : IDisposable
{
    private const string Yaml = "- default:\n    - workers: \"*\"\n";
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_was_added_is_there_in_the_next_life_and_what_was_removed_is_not()
    {
        var store = Open();
        Assert.Equal(1, Add(store, "a")!.Id);
        Assert.Equal(2, Add(store, "b")!.Id);
        Assert.Equal(3, Add(store, "c")!.Id);
        Assert.Null(Add(store, "b"));
        Assert.True(store.TryRemove("a"));
        Assert.False(store.TryRemove("a"));
        var next = Open();
        Assert.Equal([(2, "b", Yaml), (3, "c", Yaml)], next.List().Select(static script => (script.Id, script.Name, script.Script)));
        Assert.NotEmpty(next.Find("b")!.Parsed.Tags);
        Assert.Null(next.Find("a"));
        Assert.Equal(4, Add(next, "a")!.Id);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["scripts/a.json"]));
    }

    [Fact]
    public void It_becomes_what_another_has()
    {
        var first = Open();
        Add(first, "a");
        Add(first, "b");
        using var folder = new TempFolder();
        var second = new AppScriptStore(folder["scripts"], NullLogger<AppScriptStore>.Instance);
        Add(second, "gone");
        second.Adopt(first.Export());
        Assert.Equal([(1, "a"), (2, "b")], second.List().Select(static script => (script.Id, script.Name)));
        Assert.Equal(["a.json", "b.json"], Directory.EnumerateFiles(folder["scripts"]).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        Assert.Throws<IOException>(() => second.Adopt(new Dictionary<string, byte[]> { ["../a"] = [] }));
        Assert.Equal(2, second.List().Count);
    }

    [Fact]
    public void What_is_no_script_is_left_out()
    {
        Add(Open(), "good");
        _folder.Write("scripts/broken.json", "{");
        _folder.Write("scripts/empty.json", "{}");
        _folder.Write("scripts/null.json", "null");
        _folder.Write("scripts/other.json", File.ReadAllText(_folder["scripts/good.json"]));
        _folder.Write("scripts/bad.json", """{"id":9,"name":"bad","script":"nonsense"}""");
        Assert.Equal(["good"], Open().List().Select(static script => script.Name));
    }

    private AppScriptStore Open() => new(_folder["scripts"], NullLogger<AppScriptStore>.Instance);

    private static StoredScript? Add(AppScriptStore store, string name) => store.TryAdd(name, Yaml, AppScriptReader.Read(Yaml, out _)!);
}
