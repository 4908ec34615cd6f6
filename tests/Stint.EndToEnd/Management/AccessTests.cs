using System.Net;
using System.Net.Sockets;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Management;

/// <summary>Who may manage: people on this host, and others with the token; no web page, no stranger.</summary>
public sealed class AccessTests
{
    [Fact]
    public async Task Loopback_answers_on_both_families_and_nothing_else_does()
    {
        await using var daemon = await StintDaemon.StartAsync();
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        foreach (var host in new[] { "127.0.0.1", "[::1]", "localhost" }) Assert.Equal(HttpStatusCode.OK, (await client.GetAsync($"http://{host}:{daemon.ManagementPort}/list")).StatusCode);
        foreach (var address in (await Dns.GetHostAddressesAsync(Dns.GetHostName())).Where(static address => !IPAddress.IsLoopback(address)))
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await Assert.ThrowsAsync<SocketException>(async () => await socket.ConnectAsync(address, daemon.ManagementPort));
        }
    }

    [Theory]
    [InlineData("evil.example", null, 403)]
    [InlineData("evil.example:8080", null, 403)]
    [InlineData("localhost", "http://evil.example", 403)]
    [InlineData("localhost", "null", 403)]
    [InlineData("localhost", null, 200)]
    [InlineData("127.0.0.1", null, 200)]
    [InlineData("[::1]", null, 200)]
    public async Task A_web_page_cannot_manage(string host, string? origin, int expected)
    {
        await using var daemon = await StintDaemon.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "list");
        request.Headers.Host = host;
        if (origin is not null) request.Headers.Add("Origin", origin);
        Assert.Equal(expected, (int)(await daemon.Management.SendAsync(request)).StatusCode);
    }

    [Fact]
    public async Task Beyond_loopback_it_wants_the_token_but_tells_its_health()
    {
        await using var daemon = await StintDaemon.StartAsync("--management-listen", "0.0.0.0");
        foreach (var open in new[] { "healthz", "readyz" }) Assert.Equal(200, (await daemon.ManageAsync(open)).Status);
        foreach (var closed in new[] { "list", "metrics", "logs", "stint/v1/info", "stint/v1/functions", "nowhere" }) Assert.Equal(401, (await daemon.ManageAsync(closed)).Status);
        Assert.Equal(401, (await daemon.ManageAsync("wipe", "")).Status);

        var file = Path.Combine(daemon.State, "token");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        var token = (await File.ReadAllTextAsync(file)).Trim();
        foreach (var (given, expected) in new[] { (token, 200), (token + "x", 401), (token[..^1], 401), ("", 401) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "list");
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {given}");
            Assert.Equal(expected, (int)(await daemon.Management.SendAsync(request)).StatusCode);
        }
        Assert.Equal(77, (await daemon.CliAsync("ls")).Code);
        Assert.Equal(77, (await daemon.CliAsync("ls", "--token", "wrong-wrong-wrong-wrong")).Code);
        Assert.Equal(0, (await daemon.CliAsync("ls", "--token", token)).Code);
        Assert.Equal(0, (await daemon.CliAsync("ls", "--token-file", file)).Code);
    }

    [Fact]
    public async Task Insecure_must_be_asked_for()
    {
        await using var daemon = await StintDaemon.StartAsync("--management-listen", "0.0.0.0", "--insecure");
        Assert.Equal(200, (await daemon.ManageAsync("list")).Status);
    }

    [Fact]
    public async Task Health_is_told_and_an_unknown_path_is_404()
    {
        await using var daemon = await StintDaemon.StartAsync();
        Assert.Equal((200, "ok\n"), await daemon.ManageAsync("healthz"));
        Assert.Equal((200, "ready\n"), await daemon.ManageAsync("readyz"));
        Assert.Equal(404, (await daemon.ManageAsync("nowhere")).Status);
        Assert.Equal(404, (await daemon.ManageAsync("stint/v1/functions/nobody")).Status);
        Assert.Equal(400, (await daemon.ManageAsync("stint/v1/functions/..%2f..")).Status);
    }
}
