using System.Net;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers;

/// <summary>What users are told when it does not work.</summary>
[Collection(TestEngine.Collection)]
public sealed class FailuresTests(TestEngine engine, ContainerDaemon shared) : IClassFixture<ContainerDaemon>
{
    private readonly StintDaemon _daemon = shared.Daemon;

    [Fact]
    public async Task A_missing_image_is_said_when_it_is_deployed_and_when_it_is_called()
    {
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => shared.DeployAsync("absent", "no-such-image:7"));
        Assert.Contains("no-such-image:7", refused.Message, StringComparison.Ordinal);
        Assert.Contains("docker pull, docker load, docker build", refused.Message, StringComparison.Ordinal);
        Assert.Equal(404, (await _daemon.CallAsync("absent")).Status);

        FunctionFiles.Write(_daemon.Registry, ("dropped/function.toml", "[container]\nimage = \"no-such-image:7\"\nport = 8080\n"));
        await ContainerDaemon.WaitForReadyAsync(_daemon, "dropped");
        var (status, text) = await _daemon.CallAsync("dropped");
        Assert.Equal(503, status);
        Assert.Contains("no-such-image:7", text, StringComparison.Ordinal);
        using var uniFaas = await _daemon.Management.GetAsync("invoke/dropped/");
        Assert.Equal(HttpStatusCode.InternalServerError, uniFaas.StatusCode);

        // As soon as it is there, it serves: without an edit, a deployment or a restart.
        await engine.Images.MakeAsync("no-such-image:7", ["""CMD ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]"""], ("www/index.html", "late"));
        await Retry.UntilAsync("it serves", async () => (await _daemon.Http.GetAsync("dropped/index.html")).IsSuccessStatusCode);
        await engine.Client.Images.RemoveAsync("no-such-image:7", force: true, default);
    }

    [Theory]
    [InlineData("port = 8080\nruntime = \"no-such-runtime\"", "lacks the runtime", "no-such-runtime")]
    [InlineData("command = [\"/no/such/program\"]", "could not start the container", "/no/such/program")]
    public async Task What_the_engine_lacks_is_said(string container, string what, string which)
    {
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => shared.DeployAsync("lacking", Guests.Web, container));
        Assert.Contains(what, refused.Message, StringComparison.Ordinal);
        Assert.Contains(which, refused.Message, StringComparison.Ordinal);
        await Retry.UntilAsync("nothing is left of it", async () => (await shared.ContainersAsync("lacking")).Count == 0);
    }

    [Fact]
    public async Task An_image_that_cannot_take_the_callback_is_told_from_one_that_does_not_make_it()
    {
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => shared.DeployAsync("mistaken", Guests.Web, ""));
        Assert.Equal($"the image {Guests.Web} has no ENTRYPOINT that could take the callback URL. If it knows nothing of callbacks, say which port it serves on, for instance port = 8080 below [container]", refused.Message);
    }

    [Theory]
    [InlineData(Guests.Never, "", "it was not ready within 12 s (boot-timeout): it did not make its callback", "waiting for Godot")]
    [InlineData(Guests.Never, "port = 8080", "it was not ready within 12 s (boot-timeout): it accepts no connection at", "waiting for Godot")]
    [InlineData(Guests.Web, "health-path = \"/no-such-page\"", "it was not ready within 12 s (boot-timeout): GET /no-such-page at", "is answered 404")]
    [InlineData(Guests.Broken, "", "the instance died: its process exited with code 3", "first\ncannot find my lines")]
    [InlineData(Guests.Broken, "port = 8080", "the instance died: its process exited with code 3", "first\ncannot find my lines")]
    public async Task An_image_that_never_gets_ready_is_removed_and_its_last_lines_are_shown(string image, string container, string what, string lines)
    {
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => shared.DeployAsync("never", image, container, "boot-timeout = 12"));
        Assert.Contains(what, refused.Message, StringComparison.Ordinal);
        // The engine gives no order between the two outputs.
        foreach (var line in lines.Split('\n')) Assert.True(refused.Message.Contains(line, StringComparison.Ordinal), refused.Message);
        await Retry.UntilAsync("nothing is left of it", async () => (await shared.ContainersAsync("never")).Count == 0);
    }

    [Fact]
    public async Task A_container_that_does_not_answer_its_health_path_any_more_is_replaced()
    {
        await shared.DeployAsync("frozen", Guests.Deaf, "health-path = \"/index.html\"", "min-instances = 1\nkeepalive = -1\nhealth-interval = 0.2\nhealth-timeout = 10");
        Assert.True((await _daemon.Http.GetAsync("frozen/index.html")).IsSuccessStatusCode);
        var frozen = await shared.RunningAsync("frozen");
        await engine.Client.Containers.KillAsync(frozen.Id, "SIGSTOP", default);
        await Retry.UntilAsync("it is counted as replaced", async () => (await _daemon.DescribeAsync("frozen")).GetProperty("replaced").GetInt32() == 1);
        Assert.True((await _daemon.Http.GetAsync("frozen/index.html")).IsSuccessStatusCode);
        await Retry.UntilAsync("the other one is gone", async () => (await shared.ContainersAsync("frozen")).All(container => container.Id != frozen.Id));
    }

    [Fact]
    public async Task A_container_that_is_killed_in_the_middle_of_a_call_is_known_at_once_and_replaced()
    {
        await shared.DeployAsync("killed", Guests.Web);
        await shared.ShellAsync("killed", "true");
        var call = _daemon.CallAsync("killed/cgi-bin/hang");
        await Retry.UntilAsync("the call runs", async () => (await _daemon.DescribeAsync("killed")).GetProperty("instances").GetProperty("busy").GetInt32() == 1);
        await engine.Client.Containers.KillAsync((await shared.RunningAsync("killed")).Id, "SIGKILL", default);
        var (status, text) = await call;
        Assert.Equal((502, "the instance died: its process was killed by signal 9\n"), (status, text));
        Assert.Equal("again\n", await shared.ShellAsync("killed", "echo again"));

        // One that dies while nobody calls it is known too: no call has to find out.
        await engine.Client.Containers.RemoveAsync((await shared.RunningAsync("killed")).Id, default);
        await Retry.UntilAsync("it is not counted any more", async () => (await _daemon.DescribeAsync("killed")).GetProperty("instances").GetProperty("idle").GetInt32() == 0);
        Assert.Equal("and again\n", await shared.ShellAsync("killed", "echo and again"));
    }

    [Fact]
    public async Task A_first_process_that_is_killed_for_memory_says_so()
    {
        // The shell itself grows.
        await shared.DeployAsync("greedy", Guests.Web, "port = 8080\nmemory = 16\ncommand = [\"/bin/sh\", \"-c\", \"httpd -p 8080 -h /www; while [ ! -e /tmp/go ]; do sleep 0.1; done; x=xxxxxxxx; while :; do x=$x$x; done\"]");
        // The engine may hear of the end alone, when the control group is gone before its shim has read it: then the next one grows.
        await Retry.UntilAsync("one is said to have run out of memory", async () =>
        {
            await _daemon.CallAsync("greedy/cgi-bin/sh", "touch /tmp/go");
            await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
            return _daemon.Log.Contains("the instance ran out of memory (limit 16 MiB) and was killed", StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task A_callback_with_a_wrong_id_or_from_elsewhere_makes_nothing_ready()
    {
        // It calls with an id that it has made up, and goes on to serve.
        const string liar = """
            command = ["/bin/sh", "-c"]
            args = ["trap 'exit 0' INT; httpd -p 8080 -h /www; echo answered $(wget -q -O - ${0%/*}/0123456789abcdef0123456789abcdef); sleep 1000000 & wait", "%callback"]
            """;
        FunctionFiles.Write(_daemon.Registry, ("liar/function.toml", $"boot-timeout = 60\nqueue-timeout = 60\n[container]\nimage = \"{Guests.Web}\"\n{liar}\n"));
        await ContainerDaemon.WaitForReadyAsync(_daemon, "liar");
        var call = _daemon.Http.GetAsync("liar/index.html");
        await Retry.UntilAsync("it has called", async () => (await _daemon.LogsAsync("liar")).Contains("answered ok", StringComparison.Ordinal));
        await _daemon.WaitForLogAsync("with an id that no instance has now");

        // Its true id, told by somebody else: the host, whose address is the gateway's.
        var container = await shared.RunningAsync("liar");
        var url = container.Config!.Cmd[^1];
        using (var refused = await _daemon.Http.GetAsync(url)) Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.False(call.IsCompleted);

        // And by itself.
        Assert.Equal(0, await engine.Client.Containers.ExecAsync(container.Id, new ExecSettings { Cmd = ["wget", "-q", "-O", "-", url] }, static _ => { }, default));
        using var answer = await call;
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Without_an_engine_other_functions_work_and_container_functions_say_why_they_do_not()
    {
        await using var daemon = await StintDaemon.StartAsync("--docker-host", "unix:///nowhere/docker.sock");
        await daemon.DeployPythonAsync("process", "def fn(input, headers): return 'fine'");
        Assert.Equal((200, "fine"), await daemon.CallAsync("process"));
        Assert.DoesNotContain("engine", daemon.Log, StringComparison.Ordinal);

        FunctionFiles.Write(daemon.Registry, ("web/function.toml", $"[container]\nimage = \"{Guests.Web}\"\nport = 8080\n"));
        await ContainerDaemon.WaitForReadyAsync(daemon, "web");
        var (status, text) = await daemon.CallAsync("web");
        Assert.Equal(503, status);
        Assert.Contains("no container engine answers at unix:///nowhere/docker.sock: there is no such socket. Install and start one", text, StringComparison.Ordinal);
        Assert.Contains("no container engine answers", (await daemon.CliAsync("describe", "web")).Good(), StringComparison.Ordinal);
        Assert.Contains("no container engine answers", await daemon.Management.GetStringAsync("stint/v1/info"), StringComparison.Ordinal);
        Assert.Equal((200, "fine"), await daemon.CallAsync("process"));
    }

    [Fact]
    public async Task An_address_that_is_none_is_said_likewise()
    {
        await using var daemon = await StintDaemon.StartAsync(new DaemonSetup { Environment = new Dictionary<string, string> { ["DOCKER_HOST"] = "ssh://somewhere" } });
        FunctionFiles.Write(daemon.Registry, ("web/function.toml", $"[container]\nimage = \"{Guests.Web}\"\nport = 8080\n"));
        await ContainerDaemon.WaitForReadyAsync(daemon, "web");
        Assert.Contains("DOCKER_HOST is 'ssh://somewhere'", (await daemon.CallAsync("web")).Body, StringComparison.Ordinal);
    }
}
