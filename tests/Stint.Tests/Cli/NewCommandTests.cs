using System.Diagnostics;
using Stint.Cli;

namespace Stint.Tests.Cli;

public sealed class NewCommandTests : DaemonTest
{
    [Theory]
    [InlineData("python3", "README.md function.toml code/fn.py")]
    [InlineData("nodejs", "README.md function.toml code/index.js code/package.json")]
    [InlineData("binary", "README.md function.toml code/fn.sh")]
    [InlineData("container", "README.md function.toml image/Dockerfile image/build.sh image/www/healthz image/www/cgi-bin/index.cgi")]
    public async Task The_starter_is_whole_and_can_be_deployed(string runtime, string files)
    {
        Assert.Equal(0, await Cli.RunAsync("new", runtime, "greeter"));
        var root = Path.Combine(Cli.Folder, "greeter");
        var made = Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(root, file)).Order(StringComparer.Ordinal);
        Assert.Equal(files.Split(' ').Order(StringComparer.Ordinal), made);
        foreach (var file in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories)) Assert.DoesNotContain("{{", await File.ReadAllTextAsync(file), StringComparison.Ordinal);
        Assert.Contains("# greeter", await File.ReadAllTextAsync(root + "/README.md"), StringComparison.Ordinal);
        Assert.Equal(0, await Cli.RunAsync("deploy", "greeter"));
        Assert.Contains(runtime == "container" ? "image = \"greeter:1\"" : $"runtime = \"{runtime}\"", Daemon.UploadedToml(), StringComparison.Ordinal);
    }

    // The function interfaces of the three runtimes, played by the languages themselves.
    [Theory]
    [InlineData("python3", "python3", "-c", "import sys; sys.path.insert(0, 'greeter/code'); import fn; r = fn.fn('Ada', {}); print(r, end=''); print(fn.fn(None, {'Accept': 'application/json'}), end='')", "greeting Ada\nHello, Ada!\ngreeting World\n{\"greeting\": \"Hello, World!\"}")]
    [InlineData("nodejs", "node", "-e", "const f = require('./greeter/code'); const res = { send: x => process.stdout.write(x), json: x => process.stdout.write(JSON.stringify(x)) }; f({ body: 'Ada', headers: {} }, res); f({ body: {}, headers: { accept: 'application/json' } }, res)", "greeting Ada\nHello, Ada!\ngreeting World\n{\"greeting\":\"Hello, World!\"}")]
    [InlineData("binary", "sh", "-c", "printf Ada | greeter/code/fn.sh 2>/dev/null; printf '' | greeter/code/fn.sh 2>/dev/null", "Hello, Ada!\nHello, World!\n")]
    [InlineData("container", "sh", "-c", "printf Ada | greeter/image/www/cgi-bin/index.cgi 2>/dev/null | tail -n 1; printf '' | greeter/image/www/cgi-bin/index.cgi 2>/dev/null | tail -n 1", "Hello, Ada!\nHello, World!\n")]
    public async Task The_starter_works(string runtime, string program, string flag, string script, string output)
    {
        Assert.Equal(0, await Cli.RunAsync("new", runtime, "greeter"));
        using var process = Process.Start(new ProcessStartInfo(program, [flag, script]) { WorkingDirectory = Cli.Folder, RedirectStandardOutput = true })!;
        Assert.Equal(output, await process.StandardOutput.ReadToEndAsync());
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    [Fact]
    public async Task Nothing_is_overwritten()
    {
        Cli.Write("greeter/mine", "precious");
        Assert.Equal(ExitCode.Failed, await Cli.RunAsync("new", "python3", "greeter"));
        Assert.Contains("exists already", Cli.Error, StringComparison.Ordinal);
        Assert.Equal(["mine"], Directory.EnumerateFileSystemEntries(Path.Combine(Cli.Folder, "greeter")).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("python3")]
    [InlineData("nodejs")]
    [InlineData("binary")]
    [InlineData("container")]
    public async Task The_output_and_the_settings_are_the_golden_ones(string runtime)
    {
        Assert.Equal(0, await Cli.RunAsync("new", runtime, "greeter"));
        GoldenFile.Check($"new-{runtime}.txt", Cli.Out + await File.ReadAllTextAsync(Path.Combine(Cli.Folder, "greeter/function.toml")) + await File.ReadAllTextAsync(Path.Combine(Cli.Folder, "greeter/README.md")));
    }
}
