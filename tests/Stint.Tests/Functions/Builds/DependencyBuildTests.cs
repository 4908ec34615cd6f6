using Stint.Functions.Builds;
using Stint.Functions.Deployments;
using Stint.Tests.Functions.Archives;

namespace Stint.Tests.Functions.Builds;

public sealed class DependencyBuildTests
{
    [Fact]
    public async Task Without_dependencies_no_tool_is_started()
    {
        var sandbox = new FakeSandbox();
        await using var bench = await new Workbench(sandbox).StartAsync();
        await bench.DeployAsync("plain", "x");
        await bench.DeployAsync("empty", "x", ("requirements.txt", "# none\n"));
        Assert.Empty(sandbox.Commands);
    }

    [Fact]
    public async Task Equal_dependencies_are_built_once_also_at_the_same_time()
    {
        var sandbox = new FakeSandbox { Install = async (_, _) => { await Task.Yield(); return new(BuildEnd.Exited, 0); } };
        await using var bench = await new Workbench(sandbox).StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => bench.DeployAsync($"f{i}", $"code {i}", ("requirements.txt", "package"))));
        Assert.Equal(1, sandbox.Installs);
        for (var i = 0; i < 6; i++) Assert.Equal("built", bench.ServedCode($"f{i}", "package/__init__.py"));
        await bench.AssertNoDebrisAsync();
    }

    [Fact]
    public async Task Other_dependencies_are_built_again_and_changed_code_is_not()
    {
        var sandbox = new FakeSandbox();
        await using var bench = await new Workbench(sandbox).StartAsync();
        await bench.DeployAsync("f", "one", ("requirements.txt", "package"));
        await bench.DeployAsync("f", "two", ("requirements.txt", "package"));
        Assert.Equal(1, sandbox.Installs);
        await bench.DeployAsync("f", "two", ("requirements.txt", "package>1"));
        Assert.Equal(2, sandbox.Installs);
    }

    [Fact]
    public async Task The_functions_own_files_win_over_a_packages()
    {
        var sandbox = new FakeSandbox();
        await using var bench = await new Workbench(sandbox).StartAsync();
        await bench.DeployAsync("f", "x", ("requirements.txt", "package"), ("package/__init__.py", "mine"));
        Assert.Equal("mine", bench.ServedCode("f", "package/__init__.py"));
    }

    [Fact]
    public async Task A_failed_build_quotes_its_last_20_lines_and_leaves_the_older_version_serving()
    {
        var sandbox = new FakeSandbox();
        await using var bench = await new Workbench(sandbox).StartAsync();
        await bench.DeployAsync("f", "good");
        sandbox.Install = (_, onLine) =>
        {
            for (var i = 1; i <= 50; i++) onLine($"line {i}.");
            return Task.FromResult(new BuildExit(BuildEnd.Exited, 1));
        };
        var lines = new List<string>();
        var error = await Assert.ThrowsAsync<BuildFailedException>(() =>
            bench.Deployer.DeployAsync(Workbench.Name("f"), "python3", bench.Code("new", ("requirements.txt", "package")), line => lines.Add(line.Text), CancellationToken.None));
        Assert.Equal(DeploymentFault.BuildFailed, error.Fault);
        Assert.Contains("pip install failed with exit code 1", error.Message, StringComparison.Ordinal);
        Assert.Equal(Enumerable.Range(31, 20).Select(i => $"line {i}."), error.Message.Split('\n')[1..]);
        Assert.Contains("line 1.", lines);
        Assert.Contains("f: line 1.", bench.BuildLines);
        Assert.Equal("good", bench.ServedCode("f"));
        await bench.AssertNoDebrisAsync();
    }

    [Theory]
    [InlineData(nameof(BuildEnd.TimedOut), "took longer than 600 s")]
    [InlineData(nameof(BuildEnd.TooLarge), "wrote more than 2048 MiB")]
    public async Task A_build_that_hits_a_limit_says_which(string end, string text)
    {
        var sandbox = new FakeSandbox { Install = (_, _) => Task.FromResult(new BuildExit(Enum.Parse<BuildEnd>(end), 137)) };
        await using var bench = await new Workbench(sandbox).StartAsync();
        var error = await Assert.ThrowsAsync<BuildFailedException>(() => bench.DeployAsync("f", "x", ("requirements.txt", "package")));
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_pip_names_the_package_to_install()
    {
        var sandbox = new FakeSandbox { Install = (_, onLine) => { onLine("/usr/bin/python3: No module named pip"); return Task.FromResult(new BuildExit(BuildEnd.Exited, 1)); } };
        await using var bench = await new Workbench(sandbox).StartAsync();
        var error = await Assert.ThrowsAsync<DeploymentException>(() => bench.DeployAsync("f", "x", ("requirements.txt", "package")));
        Assert.Equal(DeploymentFault.HostLacks, error.Fault);
        Assert.Contains("apt-get install python3-pip", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_configured_interpreter_that_is_not_there_is_named()
    {
        var error = await Assert.ThrowsAsync<DeploymentException>(() => new Toolchain(python3: "/nowhere/python3").VersionAsync("/nowhere/python3", CancellationToken.None));
        Assert.Equal(DeploymentFault.HostLacks, error.Fault);
        Assert.Contains("/nowhere/python3", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_package_with_a_link_out_of_the_bundle_is_refused()
    {
        var sandbox = new FakeSandbox
        {
            Install = (command, _) => { File.CreateSymbolicLink(Path.Combine(command.WorkFolder, "out/leak"), "/etc/passwd"); return Task.FromResult(new BuildExit(BuildEnd.Exited, 0)); },
        };
        await using var bench = await new Workbench(sandbox).StartAsync();
        var error = await Assert.ThrowsAsync<BuildFailedException>(() => bench.DeployAsync("f", "x", ("requirements.txt", "package")));
        Assert.Contains("\"leak\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_cache_drops_what_was_unused_longest_and_bundles_keep_theirs()
    {
        var sandbox = new FakeSandbox { Install = async (command, _) => { await File.WriteAllBytesAsync(Path.Combine(command.WorkFolder, "out/big"), new byte[1000]); return new(BuildEnd.Exited, 0); } };
        await using var bench = await new Workbench(sandbox, build: new BuildOptions { CacheLimit = 2500 }).StartAsync();
        foreach (var name in (string[])["a", "b", "a", "c"]) await bench.DeployAsync("f" + name, Guid.NewGuid().ToString(), ("requirements.txt", name));
        Assert.Equal(3, sandbox.Installs);
        Assert.Equal(2, Directory.GetDirectories(Path.Combine(bench.State, "builds")).Length);
        await bench.DeployAsync("again", "x", ("requirements.txt", "a"));
        Assert.Equal(3, sandbox.Installs);
        Assert.Equal("built", bench.ServedCode("fb", "package/__init__.py"));
    }

    [Fact]
    public async Task Scratch_and_home_of_the_tools_do_not_end_in_the_bundle()
    {
        var sandbox = new FakeSandbox();
        await using var bench = await new Workbench(sandbox).StartAsync();
        var version = await bench.Deployer.DeployAsync(Workbench.Name("f"), "nodejs", bench.Code("", ("index.js", ""), ("package.json", """{"dependencies":{"package":"1"}}""")), _ => { }, CancellationToken.None);
        Assert.Equal(["fn.py", "index.js", "node_modules/", "node_modules/package/", "node_modules/package/__init__.py", "package.json"], TempFolder.List(version.Folder!));
        var command = Assert.Single(sandbox.Commands);
        Assert.StartsWith(command.WorkFolder, command.Environment["HOME"], StringComparison.Ordinal);
        Assert.StartsWith(command.WorkFolder, command.Environment["npm_config_cache"], StringComparison.Ordinal);
        Assert.Contains("--ignore-scripts", command.Arguments);
    }

    [Fact]
    public async Task The_real_pip_installs_a_wheel_that_lies_in_the_code_and_compiles_it()
    {
        await using var bench = await new Workbench().StartAsync();
        bench.Write("source/fn.py", "import tiny");
        bench.Write("source/requirements.txt", "--no-index\n./tiny-1.0-py3-none-any.whl");
        var wheel = new RawZip().Add("tiny.py", "x = 1")
            .Add("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
            .Add("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            .Add("tiny-1.0.dist-info/RECORD", "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n");
        await File.WriteAllBytesAsync(Path.Combine(bench.Folder, "source/tiny-1.0-py3-none-any.whl"), wheel.ToStream().ToArray());
        var version = await bench.Deployer.DeployAsync(Workbench.Name("f"), "python3", new CodeSource.Folder(Path.Combine(bench.Folder, "source")), _ => { }, CancellationToken.None);
        Assert.True(File.Exists(Path.Combine(version.Folder!, "tiny.py")));
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(version.Folder!, "__pycache__"), "tiny.*.pyc"));
        await bench.AssertNoDebrisAsync();
    }

    [Fact]
    public async Task The_real_npm_installs_a_package_that_lies_in_the_code()
    {
        await using var bench = await new Workbench().StartAsync();
        var version = await bench.Deployer.DeployAsync(Workbench.Name("f"), "nodejs",
            bench.Code("", ("index.js", "require('tiny')"), ("package.json", """{"name":"fn","dependencies":{"tiny":"file:lib/tiny"}}"""),
                ("lib/tiny/package.json", """{"name":"tiny","version":"1.0.0"}"""), ("lib/tiny/index.js", "module.exports = 1")), _ => { }, CancellationToken.None);
        Assert.Equal("module.exports = 1", await File.ReadAllTextAsync(Path.Combine(version.Folder!, "node_modules/tiny/index.js")));
        await bench.AssertNoDebrisAsync();
    }
}
