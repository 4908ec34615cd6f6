using System.Globalization;
using System.Net;
using System.Net.WebSockets;
using System.Text;
using Stint.Backends.Containers;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers;

/// <summary>What callers get of functions that are containers.</summary>
[Collection(TestEngine.Collection)]
public sealed class ServingTests(TestEngine engine, ContainerDaemon shared) : IClassFixture<ContainerDaemon>
{
    private readonly StintDaemon _daemon = shared.Daemon;

    [Fact]
    public async Task A_registry_and_a_guest_of_UniFaaS_work_as_they_are()
    {
        FunctionFiles.Write(_daemon.Registry, ("unifaas/function.toml", $"keepalive = 60\nconcurrent-requests = 4\nsingle-use = false\n\n[container]\nimage = \"{Guests.UniFaas}\"\nmemory = 64\n"));
        await ContainerDaemon.WaitForReadyAsync(_daemon, "unifaas");
        Assert.Equal((200, "hello\n"), await GetAsync("unifaas/index.html"));
        Assert.Equal("hello\n", await _daemon.Management.GetStringAsync("invoke/unifaas/index.html"));
        var gateway = (await shared.RunningAsync("unifaas")).NetworkSettings!.Networks.Values.Single().Gateway;
        await Retry.UntilAsync("the guest's words are in the log", async () => (await _daemon.LogsAsync("unifaas")).Contains($"called http://{gateway}:3000/ready/", StringComparison.Ordinal));
        Assert.Contains("which said ok", await _daemon.LogsAsync("unifaas"), StringComparison.Ordinal);
        Assert.Matches("(?m)^unifaas +container +ready ", (await _daemon.CliAsync("ls")).Good());
    }

    [Fact]
    public async Task A_function_with_the_longest_name_has_a_container_and_a_network()
    {
        var name = $"{new string('f', 160)}.{new string('m', 160)}";
        await shared.DeployAsync(name, Guests.Web);
        Assert.Equal((200, "hello\n"), await GetAsync($"{name}/index.html"));
        (await _daemon.CliAsync("rm", name)).Good();
    }

    [Fact]
    public async Task A_web_server_that_knows_nothing_of_us_serves_with_path_query_headers_and_statuses()
    {
        await shared.DeployAsync("plain", Guests.Web, "health-path = \"/index.html\"", "[env]\nGREETING = \"a b=c\"");
        Assert.Equal((200, "hello\n"), await GetAsync("plain/index.html"));
        Assert.Equal("POST x=1 a b=c\nbody", await shared.ShellAsync("plain", "echo $REQUEST_METHOD ${QUERY_STRING:-x=1} $GREETING; printf body"));
        Assert.Equal(404, (await GetAsync("plain/nothing")).Status);
        using var answer = await _daemon.Http.GetAsync("plain/index.html");
        Assert.Equal("text/html", answer.Content.Headers.ContentType!.MediaType);

        var description = (await _daemon.CliAsync("describe", "plain")).Good();
        Assert.Contains($"image      {Guests.Web}", description, StringComparison.Ordinal);
        Assert.Contains("128 MiB memory, any cpus, 256 processes, network bridge", description, StringComparison.Ordinal);
        // Usage is measured in the background, when somebody asks.
        await Retry.UntilAsync("its memory is known", async () => (await _daemon.DescribeAsync("plain")).GetProperty("instanceList")[0].GetProperty("memoryBytes").GetInt64() > 100_000);
        Assert.Contains("stint_container_engine_up 1\n", await _daemon.Management.GetStringAsync("metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Large_bodies_pass_both_ways()
    {
        const long size = 200L * 1024 * 1024;
        await shared.DeployAsync("large", Guests.Web);
        using var upload = new PatternContent(size);
        // HTTP/2, because over 1.1 our client reads an answer only when it has sent its request.
        using var request = new HttpRequestMessage(HttpMethod.Post, "large/cgi-bin/echo") { Content = upload, Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var answer = await _daemon.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await using var body = await answer.Content.ReadAsStreamAsync();
        Assert.Equal(size, await PatternContent.CheckAsync(body));
        // The daemon holds a window of it, never the whole.
        Assert.True(_daemon.StatusKiB("VmHWM") < 400 * 1024, $"the daemon took {_daemon.StatusKiB("VmHWM")} KiB");
    }

    [Fact]
    public async Task A_WebSocket_passes()
    {
        await shared.DeployAsync("talk", Guests.WebSocket);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"ws://localhost:{_daemon.HttpPort}/talk/room"), limit.Token);
        Assert.Equal("hello", await ReceiveAsync(socket, limit.Token));
        foreach (var word in (string[])["one", "two"])
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes(word), WebSocketMessageType.Text, true, limit.Token);
            Assert.Equal(word.ToUpperInvariant(), await ReceiveAsync(socket, limit.Token));
        }
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token);
        await Retry.UntilAsync("the call has ended", async () => (await _daemon.DescribeAsync("talk")).GetProperty("instanceList").EnumerateArray().All(static instance => instance.GetProperty("inFlight").GetInt32() == 0));
    }

    [Fact]
    public async Task A_single_use_instance_serves_one_call()
    {
        await shared.DeployAsync("once", Guests.UniFaas, "", "single-use = true\nmax-instances = 4");
        var first = await shared.ShellAsync("once", "hostname");
        Assert.NotEqual(first, await shared.ShellAsync("once", "hostname"));
        await shared.WaitForRunningAsync("once", 0);
    }

    [Fact]
    public async Task Instances_are_kept_as_long_as_they_should_and_as_many()
    {
        await shared.DeployAsync("warm", Guests.Web, top: "min-instances = 2\nmax-instances = 3\nkeepalive = 0.2");
        await shared.WaitForRunningAsync("warm", 2);
        // More than the minimum while they are needed, and the minimum again.
        var instances = 0;
        // On a busy machine the third one may start so late that another call's instance is free first.
        foreach (var seconds in (int[])[1, 5, 20])
        {
            var calls = Enumerable.Range(0, 3).Select(_ => shared.ShellAsync("warm", $"sleep {seconds}; hostname")).ToList();
            if ((instances = (await Task.WhenAll(calls)).Distinct().Count()) == 3) break;
        }
        Assert.Equal(3, instances);
        await shared.WaitForRunningAsync("warm", 2);

        await shared.DeployAsync("cold", Guests.Web, top: "keepalive = 0.2");
        Assert.Equal(200, (await GetAsync("cold/index.html")).Status);
        await shared.WaitForRunningAsync("cold", 0);
        Assert.Contains("asked to stop", await _daemon.LogsAsync("cold"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_container_waits_created_and_the_next_start_takes_it()
    {
        await shared.DeployAsync("ahead", Guests.Web, top: "single-use = true");
        var (waiting, before) = ("", 0L);
        // The engine has created it a moment before the daemon knows.
        await Retry.UntilAsync("a start takes the one that waits", async () =>
        {
            if ((await shared.ContainersAsync("ahead")).FirstOrDefault(static container => container.State == "created") is not { } created) return false;
            (waiting, before) = (created.Id, await SpareStartsAsync());
            return await GetAsync("ahead/index.html") is (200, _) && await SpareStartsAsync() == before + 1;
        });
        Assert.DoesNotContain(await shared.ContainersAsync("ahead"), container => container.Id == waiting && container.State == "created");
        await Retry.UntilAsync("another one is created", async () => (await shared.ContainersAsync("ahead")).Count(static container => container.State == "created") == 1);
    }

    [Fact]
    public async Task A_rebuilt_image_counts_from_the_next_start_on()
    {
        await engine.Images.MakeAsync("guest-changing:1", ["""CMD ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]"""], ("www/index.html", "old"));
        await shared.DeployAsync("changing", "guest-changing:1", top: "keepalive = 0"); // not a short one: each look would prolong it
        Assert.Equal((200, "old"), await GetAsync("changing/index.html"));
        await Retry.UntilAsync("one is created ahead of the old image", async () => (await shared.ContainersAsync("changing")).Any(static container => container.State == "created"));
        await engine.Images.MakeAsync("guest-changing:1", ["""CMD ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]"""], ("www/index.html", "new"));
        await Retry.UntilAsync("the new image serves", async () => await GetAsync("changing/index.html") == (200, "new"));
    }

    [Fact]
    public async Task Command_and_arguments_may_be_said_and_take_the_callback()
    {
        await shared.DeployAsync("said", Guests.Web, """
            command = ["/bin/sh", "-c"]
            args = ["trap 'exit 0' INT; httpd -p 9000 -h /www; wget -q -O - $0 >/dev/null; sleep 1000000 & wait", "%callback"]
            port = 9000
            """);
        Assert.Equal((200, "hello\n"), await GetAsync("said/index.html"));
    }

    [Fact]
    public async Task Everything_at_the_engine_says_whose_it_is()
    {
        await shared.DeployAsync("labelled", Guests.Web);
        Assert.Equal(200, (await GetAsync("labelled/index.html")).Status);
        var labels = (await shared.RunningAsync("labelled")).Config!.Labels;
        var view = await _daemon.DescribeAsync("labelled");
        Assert.Equal(("", "labelled", "labelled"), (labels[ContainerLabels.TinyFaas], labels[ContainerLabels.TinyFaasFunction], labels[ContainerLabels.Function]));
        Assert.Equal(view.GetProperty("instanceList")[0].GetProperty("id").GetString(), labels[ContainerLabels.Instance]);
        Assert.StartsWith(view.GetProperty("version").GetString()!, labels[ContainerLabels.Version], StringComparison.Ordinal);
        Assert.Single(await shared.Engine.Networks.ListAsync(Stint.Backends.Containers.Engine.EngineFilters.Label(ContainerLabels.TinyFaasFunction, "labelled"), default));
    }

    private async Task<long> SpareStartsAsync()
    {
        const string name = "\nstint_container_spare_starts_total ";
        var metrics = await _daemon.Management.GetStringAsync("metrics");
        return long.Parse(metrics[(metrics.IndexOf(name, StringComparison.Ordinal) + name.Length)..].Split('\n')[0], CultureInfo.InvariantCulture);
    }

    private async Task<(int Status, string Body)> GetAsync(string target)
    {
        using var answer = await _daemon.Http.GetAsync(target);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<string> ReceiveAsync(ClientWebSocket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[1000];
        var received = await socket.ReceiveAsync(buffer, cancellationToken);
        return Encoding.ASCII.GetString(buffer, 0, received.Count);
    }
}
