using System.Diagnostics;
using Stint.Functions.Builds;
using Stint.Functions.Registry;

namespace Stint.Tests.Functions.Registry;

public sealed class FunctionRegistryTests
{
    [Fact]
    public async Task Both_layouts_are_read_at_start()
    {
        await using var bench = new Workbench();
        bench.WriteFunction("flat", "1");
        bench.WriteFunction("_/nested", "2");
        bench.WriteFunction("shop/cart", "3");
        bench.Write("registry/.hidden/function.toml", "bad");
        await bench.StartAsync();
        Assert.Equal(["cart.shop", "flat", "nested"], bench.Registry.Snapshot.Functions.Keys.Select(n => n.ToString()).Order());
        Assert.All(bench.Registry.Snapshot.Functions.Values, f => Assert.Equal(RegistrationState.Ready, f.State));
        Assert.Equal("3", bench.ServedCode("cart.shop"));
        Assert.Empty(bench.Registry.Snapshot.Problems);
        Assert.Equal(["serving cart.shop", "serving flat", "serving nested"], bench.Events.Order());
    }

    [Fact]
    public async Task A_folder_that_is_dropped_in_changed_and_removed_takes_effect()
    {
        await using var bench = await new Workbench().StartAsync();
        bench.WriteFunction("m/f", "one");
        await Workbench.Until(() => bench.ServedCode("f.m") == "one");
        bench.Write("registry/m/f/code/fn.py", "two");
        await Workbench.Until(() => bench.ServedCode("f.m") == "two");
        Directory.Delete(Path.Combine(bench.Root, "m"), recursive: true);
        await Workbench.Until(() => bench.Find("f.m") is null);
        await Workbench.Until(() => bench.BundleNames().Length == 0);
        Assert.Equal(["serving f.m", "serving f.m", "removed f.m"], bench.Events);
    }

    [Fact]
    public async Task A_folder_that_is_moved_in_whole_and_then_edited_takes_effect()
    {
        await using var bench = await new Workbench().StartAsync();
        bench.Write("elsewhere/code/fn.py", "one");
        bench.Write("elsewhere/function.toml", "python3");
        Directory.Move(Path.Combine(bench.Folder, "elsewhere"), Path.Combine(bench.Root, "f"));
        await Workbench.Until(() => bench.ServedCode("f") == "one");
        bench.Write("registry/f/code/fn.py", "two");
        await Workbench.Until(() => bench.ServedCode("f") == "two");
    }

    [Fact]
    public async Task A_broken_function_disables_only_itself_and_shows_its_line()
    {
        await using var bench = new Workbench();
        bench.WriteFunction("good", "1");
        bench.WriteFunction("broken", "1", "python3\nbad = 1");
        await bench.StartAsync();
        Assert.Equal(RegistrationState.Ready, bench.Find("good")!.State);
        var broken = bench.Find("broken")!;
        Assert.Equal(RegistrationState.Broken, broken.State);
        Assert.Null(broken.Serving);
        Assert.Equal([Path.Combine(bench.Root, "broken/function.toml") + ":2:1: unknown key bad"], broken.Problems);
    }

    [Fact]
    public async Task A_function_that_breaks_goes_on_serving_its_good_version_until_it_is_mended()
    {
        await using var bench = new Workbench();
        bench.WriteFunction("f", "one");
        await bench.StartAsync();
        bench.Write("registry/f/function.toml", "bad");
        await Workbench.Until(() => bench.Find("f")!.State == RegistrationState.Broken);
        Assert.Equal("one", bench.ServedCode("f"));
        File.Delete(Path.Combine(bench.Root, "f/code/fn.py"));
        bench.Write("registry/f/function.toml", "python3");
        await Workbench.Until(() => bench.Find("f")! is { State: RegistrationState.Broken } f && f.Problems[0].Contains("fn.py is missing", StringComparison.Ordinal));
        Assert.Equal("one", bench.ServedCode("f"));
        bench.Write("registry/f/code/fn.py", "two");
        await Workbench.Until(() => bench.Find("f")! is { State: RegistrationState.Ready, Problems: [] });
        Assert.Equal("two", bench.ServedCode("f"));
        Assert.Equal(["serving f", "serving f"], bench.Events);
    }

    [Fact]
    public async Task Touching_a_function_without_changing_it_makes_no_new_version()
    {
        await using var bench = new Workbench();
        bench.WriteFunction("f", "one");
        await bench.StartAsync();
        var before = bench.Find("f")!.Serving;
        bench.Write("registry/f/code/fn.py", "one");
        using (var hold = await bench.Registry.HoldAsync(Workbench.Name("f"), CancellationToken.None))
            Assert.Same(before, (await hold.TakeUpAsync())!.Serving);
        Assert.Single(bench.Events);
    }

    [Fact]
    public async Task What_is_no_function_is_shown_with_its_reason()
    {
        await using var bench = new Workbench();
        bench.WriteFunction("bad name", "1");
        bench.WriteFunction("m/bad.name", "1");
        bench.WriteFunction("twice", "1");
        bench.WriteFunction("_/twice", "2");
        bench.WriteFunction("m/ok", "1");
        bench.Write("registry/m/junk/readme.txt");
        bench.Write("registry/lost/stuff/readme.txt");
        Directory.CreateDirectory(Path.Combine(bench.Root, "empty"));
        Directory.CreateSymbolicLink(Path.Combine(bench.Root, "linked"), Path.Combine(bench.Root, "m"));
        await bench.StartAsync();
        var problems = bench.Registry.Snapshot.Problems.Select(p => p[(bench.Root.Length + 1)..]).Order(StringComparer.Ordinal).ToArray();
        Assert.Collection(problems,
            p => Assert.StartsWith("bad name: \"bad name\" cannot be a function's name: a name has 1 to 160", p, StringComparison.Ordinal),
            p => Assert.StartsWith("linked: a link", p, StringComparison.Ordinal),
            p => Assert.StartsWith("lost: neither a function nor a module", p, StringComparison.Ordinal),
            p => Assert.StartsWith("m/bad.name: \"bad.name\" cannot be a function's name", p, StringComparison.Ordinal),
            p => Assert.StartsWith("m/junk: not a function", p, StringComparison.Ordinal),
            p => Assert.StartsWith("twice: the same function as", p, StringComparison.Ordinal));
        Assert.Equal("2", bench.ServedCode("twice"));
        Assert.Equal(2, bench.Registry.Snapshot.Functions.Count);
    }

    [Fact]
    public async Task A_build_that_failed_for_want_of_a_network_is_tried_again()
    {
        var tries = 0;
        var sandbox = new FakeSandbox { Install = (_, _) => Task.FromResult(new BuildExit(BuildEnd.Exited, Interlocked.Increment(ref tries) < 3 ? 1 : 0)) };
        await using var bench = new Workbench(sandbox, options: new RegistryOptions { RescanEvery = TimeSpan.FromMilliseconds(20), RetryAfter = TimeSpan.FromMilliseconds(1) });
        bench.WriteFunction("f", "one");
        bench.Write("registry/f/code/requirements.txt", "package");
        await bench.StartAsync();
        await Workbench.Until(() => bench.Find("f")!.State == RegistrationState.Ready);
        Assert.Equal(3, tries);
        Assert.Contains("f: Collecting package", bench.BuildLines);
    }

    [Fact]
    public async Task A_folder_that_is_still_being_copied_is_not_served_half()
    {
        Workbench? bench = null;
        var isFirst = true;
        var sandbox = new FakeSandbox
        {
            // The build is where time passes: meanwhile the rest of the folder arrives.
            Install = (_, _) =>
            {
                if (isFirst) bench!.Write("registry/f/code/late.py", "late");
                isFirst = false;
                return Task.FromResult(new BuildExit(BuildEnd.Exited, 0));
            },
        };
        await using (bench = new Workbench(sandbox))
        {
            bench.WriteFunction("f", "one");
            bench.Write("registry/f/code/requirements.txt", "package");
            await bench.StartAsync();
            Assert.Equal("late", bench.ServedCode("f", "late.py"));
            Assert.Single(bench.Events);
        }
    }

    [Fact]
    public async Task Pipes_in_the_registry_are_problems_and_nobody_waits_for_them()
    {
        await using var bench = new Workbench();
        bench.WriteFunction("code", "x");
        Directory.CreateDirectory(Path.Combine(bench.Root, "toml"));
        using (var make = Process.Start("mkfifo", [Path.Combine(bench.Root, "code/code/pipe"), Path.Combine(bench.Root, "toml/function.toml")])) await make.WaitForExitAsync();
        await bench.StartAsync();
        Assert.Contains("\"pipe\" is a device, pipe or socket", Assert.Single(bench.Find("code")!.Problems), StringComparison.Ordinal);
        Assert.EndsWith("function.toml: not a plain file", Assert.Single(bench.Find("toml")!.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_function_without_code_says_so()
    {
        await using var bench = new Workbench();
        bench.Write("registry/f/function.toml", "python3");
        await bench.StartAsync();
        Assert.Contains("code: there is no such folder", Assert.Single(bench.Find("f")!.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registry_that_is_removed_and_made_again_is_still_watched()
    {
        await using var bench = new Workbench(options: new RegistryOptions { RescanEvery = TimeSpan.FromMilliseconds(200) });
        bench.WriteFunction("f", "one");
        await bench.StartAsync();
        Directory.Delete(bench.Root, recursive: true);
        await Workbench.Until(() => bench.Find("f") is null);
        bench.WriteFunction("g", "two");
        await Workbench.Until(() => bench.ServedCode("g") == "two");
    }

    [Fact]
    public async Task Many_functions_at_once_are_all_taken_up()
    {
        await using var bench = new Workbench();
        for (var i = 0; i < 200; i++) bench.WriteFunction($"m/f{i}", $"code {i}");
        await bench.StartAsync();
        Assert.Equal(200, bench.Registry.Snapshot.Functions.Values.Count(f => f.State == RegistrationState.Ready));
        Assert.Equal("code 123", bench.ServedCode("f123.m"));
    }
}
