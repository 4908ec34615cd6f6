using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Management;

/// <summary><c>/uploadURL</c> against a real web server on this host.</summary>
public sealed class UploadUrlTests : IAsyncLifetime
{
    private readonly int _port = FreePorts.Take();
    private WebApplication _server = null!;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://127.0.0.1:{_port}");
        _server = builder.Build();
        var archive = FunctionFiles.Zip(("repo-main/README", ""), ("repo-main/functions/hello/fn.py", "def fn(input): return 'fetched'\n"));
        _server.MapGet("/repo.zip", () => Results.Bytes(archive, "application/zip"));
        _server.MapGet("/moved.zip", () => Results.Redirect("/repo.zip"));
        _server.MapGet("/round.zip", () => Results.Redirect("/round.zip"));
        _server.MapGet("/secret", () => Results.Text("internal"));
        _server.MapGet("/huge.zip", () => Results.Bytes(new byte[3 << 20], "application/zip"));
        _server.MapGet("/hidden-huge.zip", async (HttpContext context) =>
        {
            for (var n = 0; n < 48; n++) await context.Response.Body.WriteAsync(new byte[64 << 10]); // no Content-Length
        });
        await _server.StartAsync();
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task This_host_itself_is_refused_unless_it_is_allowed()
    {
        await using var daemon = await StintDaemon.StartAsync();
        foreach (var host in new[] { "127.0.0.1", "localhost", "[::1]", "127.1", "[::ffff:127.0.0.1]" })
        {
            var (status, body) = await UploadAsync(daemon, "f", $"http://{host}:{_port}/repo.zip", "repo-main/functions/hello");
            Assert.Equal(400, status);
            Assert.Contains("--allow-local-urls", body, StringComparison.Ordinal);
        }
        Assert.Equal(400, (await UploadAsync(daemon, "f", $"http://0.0.0.0:{_port}/repo.zip", "repo-main/functions/hello")).Status);
        Assert.Equal(404, (await daemon.CallAsync("f")).Status);
    }

    [Fact]
    public async Task A_zip_is_fetched_its_subfolder_taken_and_its_limits_kept()
    {
        await using var daemon = await StintDaemon.StartAsync("--allow-local-urls", "--max-upload", "2");
        var root = $"http://127.0.0.1:{_port}";
        Assert.Equal(200, (await UploadAsync(daemon, "f", $"{root}/repo.zip", "repo-main/functions/hello")).Status);
        Assert.Equal((200, "fetched"), await daemon.CallAsync("f"));
        Assert.Equal(200, (await UploadAsync(daemon, "moved", $"{root}/moved.zip", "/repo-main/functions/hello/")).Status);
        Assert.Equal((200, "fetched"), await daemon.CallAsync("moved"));

        foreach (var (path, folder, says) in new[]
        {
            ("repo.zip", "", "fn.py"), ("repo.zip", "/", "fn.py"), ("repo.zip", "elsewhere", "no folder"), ("repo.zip", "../..", ""), ("missing.zip", "", "404"),
            ("round.zip", "", "30"), ("secret", "", "zip"), ("huge.zip", "", "2 MiB"), ("hidden-huge.zip", "", "2 MiB"),
        })
        {
            var (status, body) = await UploadAsync(daemon, "bad", $"{root}/{path}", folder);
            Assert.True(status == 400, $"{path} {folder}: {status} {body}");
            Assert.Contains(says, body, StringComparison.Ordinal);
        }
        Assert.Equal("f\nmoved\n", (await daemon.ManageAsync("list")).Body);
        Assert.Empty(Directory.EnumerateFileSystemEntries(daemon.Temporary));
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_400()
    {
        await using var daemon = await StintDaemon.StartAsync("--allow-local-urls");
        var (status, body) = await UploadAsync(daemon, "f", $"http://127.0.0.1:{FreePorts.Take()}/x.zip", "");
        Assert.Equal(400, status);
        Assert.Contains("cannot be fetched", body, StringComparison.Ordinal);
    }

    private static Task<(int Status, string Body)> UploadAsync(StintDaemon daemon, string name, string url, string folder) =>
        daemon.ManageAsync("uploadURL", $$"""{"name":"{{name}}","env":"python3","threads":1,"url":"{{url}}","subfolder_path":"{{folder}}","envs":[]}""");
}
