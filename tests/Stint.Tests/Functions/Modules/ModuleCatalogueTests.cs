using Stint.Functions.Deployments;
using Stint.Functions.Modules;
using Stint.Functions.Secrets;

namespace Stint.Tests.Functions.Modules;

public sealed class ModuleCatalogueTests
{
    [Fact]
    public async Task A_module_is_there_for_its_functions_for_its_secrets_or_because_somebody_made_it()
    {
        await using var bench = await new Workbench().StartAsync();
        var (modules, secrets) = Open(bench);
        Assert.Equal(["_"], modules.List());
        await bench.DeployAsync("f.one", "1");
        secrets.TryAdd("two", "key", "x"u8);
        Assert.True(modules.TryMake("three", "{}"u8));
        foreach (var name in new[] { "_", "one", "two", "three" }) Assert.False(modules.TryMake(name, "{}"u8));
        Assert.Equal(["_", "one", "three", "two"], modules.List());
        // In the next life too.
        Assert.Equal(["_", "one", "three", "two"], Open(bench).Modules.List());
        Assert.Equal(["f.one"], modules.FunctionsOf("one").Select(static name => name.ToString()));
        await bench.Deployer.RemoveAsync(Workbench.Name("f.one"), CancellationToken.None);
        Assert.False(modules.Exists("one"));
        modules.Keep("two");
        await modules.RemoveAsync("two", CancellationToken.None);
        await modules.RemoveAsync("three", CancellationToken.None);
        Assert.Equal(["_"], modules.List());
        Assert.Empty(secrets.List("two"));
    }

    [Fact]
    public async Task A_rename_moves_functions_and_secrets_and_the_new_ones_serve_before_the_old_ones_go()
    {
        await using var bench = await new Workbench().StartAsync();
        var (modules, secrets) = Open(bench);
        await bench.DeployAsync("f.old", "1");
        await bench.DeployAsync("g.old", "2");
        secrets.TryAdd("old", "key", "x"u8);
        modules.Keep("old");
        bench.Events.Clear();
        await modules.RenameAsync("old", "new", CancellationToken.None);
        Assert.Equal(["_", "new"], modules.List());
        Assert.Equal(("1", "2", null), (bench.ServedCode("f.new"), bench.ServedCode("g.new"), bench.Find("f.old")));
        Assert.Equal(["serving f.new", "serving g.new", "removed f.old", "removed g.old"], bench.Events);
        Assert.Equal("x"u8.ToArray(), secrets.Read("new", "key"));
        Assert.Empty(secrets.List("old"));
        // As after a restart: what is on disk says the same.
        await using var next = await new Workbench(copyOf: bench.Folder).StartAsync();
        Assert.Equal(["f.new", "g.new"], next.Registry.Snapshot.Functions.Keys.Select(static name => name.ToString()).Order());
    }

    [Fact]
    public async Task A_name_that_something_has_is_refused_and_nothing_changes()
    {
        await using var bench = await new Workbench().StartAsync();
        var (modules, secrets) = Open(bench);
        await bench.DeployAsync("f.old", "1");
        await bench.DeployAsync("g.taken", "2");
        secrets.TryAdd("old", "key", "x"u8);
        bench.WriteFunction("flat", "3");
        bench.Write("registry/stray/notes.txt", "mine");
        foreach (var name in new[] { "taken", "_", "flat", "stray" })
            Assert.Equal(DeploymentFault.Conflict, (await Assert.ThrowsAsync<DeploymentException>(() => modules.RenameAsync("old", name, CancellationToken.None))).Fault);
        Assert.Equal(DeploymentFault.NotFound, (await Assert.ThrowsAsync<DeploymentException>(() => modules.RenameAsync("gone", "new", CancellationToken.None))).Fault);
        Assert.Equal("1", bench.ServedCode("f.old"));
        Assert.Equal(["_", "old", "taken"], modules.List());
        Assert.Equal("x"u8.ToArray(), secrets.Read("old", "key"));
        Assert.True(File.Exists(Path.Combine(bench.Root, "stray", "notes.txt")));
    }

    [Fact]
    public async Task Of_many_renames_at_once_one_happens_and_crosswise_ones_do_not_lock_each_other_out()
    {
        await using var bench = await new Workbench().StartAsync();
        var (modules, _) = Open(bench);
        await bench.DeployAsync("f.old", "1");
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => TryAsync("old", $"new{i}"))));
        Assert.Single(outcomes, static success => success);
        Assert.Equal(2, modules.List().Count);
        var name = modules.List()[1];
        Assert.Equal("1", bench.ServedCode($"f.{name}"));
        await bench.DeployAsync("f.b", "2");
        // Each wants the other's name: both are refused, neither waits for ever.
        var crossed = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(() => i % 2 == 0 ? TryAsync(name, "b") : TryAsync("b", name)))).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.DoesNotContain(true, crossed);
        Assert.Equal(("1", "2"), (bench.ServedCode($"f.{name}"), bench.ServedCode("f.b")));

        async Task<bool> TryAsync(string from, string to)
        {
            try
            {
                await modules.RenameAsync(from, to, CancellationToken.None);
                return true;
            }
            catch (DeploymentException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task What_clients_made_becomes_what_another_gateway_has()
    {
        await using var bench = new Workbench();
        var (modules, _) = Open(bench);
        modules.TryMake("gone", "{}"u8);
        modules.TryMake("same", "{}"u8);
        modules.Adopt(new Dictionary<string, byte[]> { ["same"] = "{}"u8.ToArray(), ["fresh"] = "[1]"u8.ToArray(), ["../none"] = [] });
        Assert.Equal(["_", "fresh", "same"], modules.List());
        Assert.Equal("[1]"u8.ToArray(), modules.Details("fresh"));
        Assert.Equal(["fresh", "same"], modules.Export().Keys.Order(StringComparer.Ordinal));
    }

    private static (ModuleCatalogue Modules, SecretStore Secrets) Open(Workbench bench)
    {
        var secrets = new SecretStore(Path.Combine(bench.State, "secrets"));
        return (new ModuleCatalogue(Path.Combine(bench.State, "namespaces"), bench.Registry, secrets, bench.Deployer), secrets);
    }
}
