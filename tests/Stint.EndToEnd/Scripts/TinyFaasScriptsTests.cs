using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Scripts;

/// <summary>The six scripts of <c>scripts/</c>, with tinyFaaS's names and arguments.</summary>
public sealed class TinyFaasScriptsTests(TinyFaasScriptsTests.WithLocalUrls shared) : IClassFixture<TinyFaasScriptsTests.WithLocalUrls>
{
    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task A_folder_is_uploaded_listed_called_logged_and_deleted()
    {
        var folder = Path.Combine(Daemon.Root, "my fn");
        FunctionFiles.Write(folder, ("fn.py", "import helper.words\ndef fn(input, headers):\n    print('said', input)\n    return helper.words.greet(input)\n"), ("helper/__init__.py", ""), ("helper/words.py", "def greet(name): return 'Hello, ' + name\n"), ("requirements.txt", ""));
        Assert.Equal($"http://localhost:{Daemon.HttpPort}/scripted\n", (await RunAsync("upload.sh", folder, "scripted", "python3", "2")).Good());
        Assert.Contains("scripted\n", (await RunAsync("list.sh")).Good(), StringComparison.Ordinal);
        Assert.Equal((200, "Hello, Ada"), await Daemon.CallAsync("scripted", "Ada"));
        await Retry.UntilAsync("the log has it", async () => (await RunAsync("logs.sh", "scripted")).Good().Contains("said Ada", StringComparison.Ordinal));
        Assert.Contains("function=scripted", (await RunAsync("logs.sh")).Good(), StringComparison.Ordinal);
        Assert.Equal("", (await RunAsync("delete.sh", "scripted")).Good());
        Assert.Equal(404, (await Daemon.CallAsync("scripted")).Status);
    }

    [Fact]
    public async Task Every_example_of_a_runtime_can_be_uploaded()
    {
        foreach (var (example, env, answer) in new[] { ("hello-python", "python3", "Hello, x, from Python!\n"), ("hello-node", "nodejs", "Hello, x, from Node.js!\n"), ("hello-shell", "binary", "Hello, x, from the shell!\n") })
        {
            (await RunAsync("upload.sh", Path.Combine(Programs.Repository, "examples", example, "code"), example, env, "1")).Good();
            Assert.Equal((200, answer), await Daemon.CallAsync(example, "x"));
        }
    }

    [Fact]
    public async Task A_zip_is_fetched_from_a_url()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var port = FreePorts.Take();
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        await using var server = builder.Build();
        var archive = FunctionFiles.Zip(("repo-main/fns/echo/fn.sh", "#!/bin/sh\ncat\n"));
        server.MapGet("/main.zip", () => Results.Bytes(archive, "application/zip"));
        await server.StartAsync();
        (await RunAsync("uploadURL.sh", $"http://127.0.0.1:{port}/main.zip", "repo-main/fns/echo", "fetched", "binary", "1")).Good();
        Assert.Equal((200, "over a url"), await Daemon.CallAsync("fetched", "over a url"));
    }

    [Fact]
    public async Task Everything_is_wiped()
    {
        await using var daemon = await StintDaemon.StartAsync();
        await daemon.DeployPythonAsync("one", "def fn(input, headers): return 1\n");
        Assert.Equal("", (await RunAsync(daemon, "wipe-functions.sh")).Good());
        Assert.Equal("", (await RunAsync(daemon, "list.sh")).Good());
    }

    [Fact]
    public async Task A_refusal_is_shown_and_fails()
    {
        var done = await RunAsync("delete.sh", "nobody");
        Assert.NotEqual(0, done.Code);
        Assert.Contains("nobody", done.Out, StringComparison.Ordinal);
        Assert.Equal(2, (await RunAsync("upload.sh")).Code);
        Assert.Equal(2, (await RunAsync("uploadURL.sh", "x")).Code);
        Assert.Equal(2, (await RunAsync("delete.sh")).Code);
    }

    private Task<Finished> RunAsync(string script, params string[] arguments) => RunAsync(Daemon, script, arguments);

    private static Task<Finished> RunAsync(StintDaemon daemon, string script, params string[] arguments) =>
        Programs.RunAsync([Path.Combine(Programs.Repository, "scripts", script), .. arguments], "/", "", new Dictionary<string, string> { ["STINT_MANAGEMENT"] = $"http://localhost:{daemon.ManagementPort}" });

    public sealed class WithLocalUrls : SharedDaemon
    {
        protected override IReadOnlyList<string> Flags => ["--allow-local-urls"];
    }
}
