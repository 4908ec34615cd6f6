using System.Text.Json;
using Stint.Cluster.Store;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster;

[Collection(TestPostgres.Collection)]
public sealed class StoreTransferTests(TestPostgres postgres) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-transfer-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_goes_into_the_store_comes_out_the_same_byte_for_byte()
    {
        var address = await postgres.CreateDatabaseAsync();
        var (registry, state) = Deployed("one");
        var imported = JsonDocument.Parse((await StoreAsync("import", address, registry, state, "--json")).Good()).RootElement;
        Assert.Equal(4, imported.GetProperty("functions").GetInt32());
        Assert.Equal(2, imported.GetProperty("secrets").GetInt32());
        Assert.Equal(1, imported.GetProperty("modules").GetInt32());
        Assert.Equal((1, true), (imported.GetProperty("scripts").GetInt32(), imported.GetProperty("subjects").GetBoolean()));
        Assert.Contains("no function here", Assert.Single(imported.GetProperty("leftOut").EnumerateArray()).GetString(), StringComparison.Ordinal);

        var (otherRegistry, otherState) = (Path.Combine(_folder, "two", "functions"), Path.Combine(_folder, "two", "state"));
        Directory.CreateDirectory(otherState);
        File.Copy(Path.Combine(state, "store.key"), Path.Combine(otherState, "store.key"));
        var exported = await StoreAsync("export", address, otherRegistry, otherState);
        Assert.Contains("exported 4 functions (0 were the same), 2 secrets, 1 module, 1 script, the subjects of FunLess's API", exported.Good(), StringComparison.Ordinal);

        Directory.Delete(Path.Combine(registry, "no function here"), recursive: true);
        Assert.Equal(FolderPicture.Of(registry), FolderPicture.Of(otherRegistry));
        Assert.Equal(FolderPicture.Of(Path.Combine(state, "secrets")), FolderPicture.Of(Path.Combine(otherState, "secrets")));
        foreach (var folder in (string[])["namespaces", "scripts", "funless"]) Assert.Equal(FolderPicture.Of(Path.Combine(state, folder)), FolderPicture.Of(Path.Combine(otherState, folder)));

        // And back again: nothing is to be done.
        Assert.Contains("imported 0 functions (4 were the same), 0 secrets, 0 modules", (await StoreAsync("import", address, otherRegistry, otherState)).Good(), StringComparison.Ordinal);
        await using var store = new ClusterStore(StoreAddress.Parse(address));
        Assert.All(await store.Functions.ChangedSinceAsync(0, default), static function => Assert.Equal(1, function.Version));
    }

    [Fact]
    public async Task What_differs_is_named_and_only_replaced_when_asked_for()
    {
        var address = await postgres.CreateDatabaseAsync();
        var (registry, state) = Deployed("one");
        (await StoreAsync("import", address, registry, state)).Good();
        await File.WriteAllTextAsync(Path.Combine(registry, "flat", "code", "fn.py"), "changed");
        var before = FolderPicture.Of(registry);

        foreach (var direction in (string[])["import", "export"])
        {
            var refused = await StoreAsync(direction, address, registry, state);
            Assert.Equal(1, refused.Code);
            Assert.Contains("function flat", refused.Error, StringComparison.Ordinal);
            Assert.Contains("--replace", refused.Error, StringComparison.Ordinal);
        }
        Assert.Equal(before, FolderPicture.Of(registry));
        Assert.Contains("exported 1 function (3 were the same)", (await StoreAsync("export", address, registry, state, "--replace")).Good(), StringComparison.Ordinal);
        Assert.NotEqual(before, FolderPicture.Of(registry));
        Assert.NotEqual("changed", await File.ReadAllTextAsync(Path.Combine(registry, "flat", "code", "fn.py")));
    }

    [Fact]
    public async Task Secrets_are_not_exported_without_the_key()
    {
        var address = await postgres.CreateDatabaseAsync();
        var (registry, state) = Deployed("one");
        (await StoreAsync("import", address, registry, state)).Good();
        var refused = await StoreAsync("export", address, Path.Combine(_folder, "other"), Path.Combine(_folder, "otherstate"));
        Assert.Equal(1, refused.Code);
        Assert.Contains("copy the file", refused.Error, StringComparison.Ordinal);
        Assert.Empty(FolderPicture.Of(Path.Combine(_folder, "otherstate", "secrets")));
    }

    [Fact]
    public async Task A_store_that_is_away_is_exit_code_69_and_shows_no_password()
    {
        var (registry, state) = Deployed("one");
        var away = await StoreAsync("import", "postgres://stint:hush@127.0.0.1:1/none", registry, state);
        Assert.Equal(69, away.Code);
        Assert.Contains("postgres://stint@127.0.0.1:1/none does not answer", away.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", away.Error + away.Out, StringComparison.Ordinal);
    }

    private Task<Finished> StoreAsync(string direction, string address, string registry, string state, params string[] flags) =>
        Programs.RunAsync([.. Programs.Stint, "store", direction, "--registry", registry, "--state", state, .. flags], _folder, "", new Dictionary<string, string> { ["STINT_STORE"] = address });

    /// <summary>A registry with one of everything.</summary>
    private (string Registry, string State) Deployed(string name)
    {
        var registry = Path.Combine(_folder, name, "functions");
        var state = Path.Combine(_folder, name, "state");
        Function(Path.Combine(registry, "_", "plain"));
        Function(Path.Combine(registry, "shop", "cart"));
        Function(Path.Combine(registry, "flat"));
        var machine = Path.Combine(registry, "shop", "machine");
        Directory.CreateDirectory(machine);
        File.WriteAllText(Path.Combine(machine, "function.toml"), "broken, and yet somebody's work");
        var disk = new byte[2_500_000];
        new Random(2).NextBytes(disk.AsSpan(1_000_000, 1000));
        File.WriteAllBytes(Path.Combine(machine, "disk.img"), disk);
        Directory.CreateDirectory(Path.Combine(registry, "no function here", "sub"));

        Secret("_", "api", "sesame"u8.ToArray());
        Secret("shop", "bytes", [0, 255, 10, 13]);
        Directory.CreateDirectory(Path.Combine(state, "namespaces"));
        File.WriteAllText(Path.Combine(state, "namespaces", "shop.json"), """{"name":"shop","annotations":{"ä":"ö"}}""");
        Private("scripts", "Edge.json", """{"id":1,"name":"Edge","script":"- default:\n    - workers: \"*\"\n"}"""u8.ToArray());
        Private("funless", "key", Enumerable.Range(0, 32).Select(static i => (byte)i).ToArray());
        Private("funless", "subjects.json", "[]"u8.ToArray());
        return (registry, state);

        void Private(string folder, string file, byte[] content)
        {
            Directory.CreateDirectory(Path.Combine(state, folder), (UnixFileMode)(folder == "funless" ? 0b111_000_000 : 0b111_101_101));
            File.WriteAllBytes(Path.Combine(state, folder, file), content);
            File.SetUnixFileMode(Path.Combine(state, folder, file), (UnixFileMode)0b110_000_000);
        }

        void Secret(string module, string secret, byte[] value)
        {
            var folder = Path.Combine(state, "secrets", module);
            Directory.CreateDirectory(folder, (UnixFileMode)0b111_000_000);
            File.SetUnixFileMode(Path.Combine(state, "secrets"), (UnixFileMode)0b111_000_000);
            File.WriteAllBytes(Path.Combine(folder, secret), value);
            File.SetUnixFileMode(Path.Combine(folder, secret), (UnixFileMode)0b110_000_000);
        }
    }

    private static void Function(string folder)
    {
        var code = Path.Combine(folder, "code");
        Directory.CreateDirectory(Path.Combine(code, "empty"));
        Directory.CreateDirectory(Path.Combine(code, "närrisch, mit Leerzeichen"));
        File.WriteAllText(Path.Combine(folder, "function.toml"), "[process]\nruntime = \"python3\"\n");
        File.WriteAllText(Path.Combine(code, "fn.py"), "def fn(event):\n    return event.body\n");
        File.WriteAllBytes(Path.Combine(code, "nothing"), []);
        File.WriteAllText(Path.Combine(code, "närrisch, mit Leerzeichen", "run"), "#!/bin/sh\n");
        File.SetUnixFileMode(Path.Combine(code, "närrisch, mit Leerzeichen", "run"), (UnixFileMode)0b111_101_000);
        File.SetUnixFileMode(Path.Combine(code, "fn.py"), (UnixFileMode)0b110_000_000);
        File.SetUnixFileMode(Path.Combine(code, "empty"), (UnixFileMode)0b101_101_101);
        File.CreateSymbolicLink(Path.Combine(code, "link"), "fn.py");
        File.CreateSymbolicLink(Path.Combine(code, "dangling"), "../../nowhere");
    }
}
