using System.Net;
using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Wire;

/// <summary>Everything that can go wrong with a call: its status, its words, and that only the call itself is lost.</summary>
public sealed class FailuresTests(WireDaemon shared) : IClassFixture<WireDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task An_unknown_function_is_404_in_text()
    {
        using var answer = await Daemon.Http.GetAsync("unknown");
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal("text/plain", answer.Content.Headers.ContentType!.MediaType);
        Assert.Contains("unknown", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_is_json_for_those_who_accept_json()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "unknown") { Headers = { { "Accept", "application/json" } } };
        using var answer = await Daemon.Http.SendAsync(request);
        var error = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("error");
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);
        Assert.Equal("not-found", error.GetProperty("code").GetString());
        Assert.NotEmpty(error.GetProperty("callId").GetString()!);
    }

    [Theory]
    [InlineData(""), InlineData("..%2f..%2fetc%2fpasswd"), InlineData("a%20b"), InlineData("caf%C3%A9")]
    public async Task What_cannot_be_a_name_is_404(string target) => Assert.Equal(HttpStatusCode.NotFound, (await Daemon.Http.GetAsync("/" + target)).StatusCode);

    [Theory]
    [InlineData("python3", "fn.py", "def fn(input, headers):\n    raise ValueError('the reason why')\n")]
    [InlineData("nodejs", "index.js", "module.exports = () => { throw new Error('the reason why') }")]
    [InlineData("nodejs", "index.js", "module.exports = async () => { throw new Error('the reason why') }")]
    public async Task A_functions_own_error_is_500_with_its_message_and_the_instance_goes_on(string runtime, string file, string code)
    {
        var name = $"raises{Math.Abs(string.GetHashCode(code, StringComparison.Ordinal))}";
        await Daemon.DeployAsync(name, $"[process]\nruntime = \"{runtime}\"\n", (file, code));
        Assert.Equal((500, "the reason why\n"), await Daemon.CallAsync(name));
        var first = (await Daemon.DescribeAsync(name)).GetProperty("instanceList")[0].GetProperty("id").GetString();
        Assert.Equal((500, "the reason why\n"), await Daemon.CallAsync(name));
        Assert.Equal(first, (await Daemon.DescribeAsync(name)).GetProperty("instanceList")[0].GetProperty("id").GetString());
    }

    [Fact]
    public async Task A_script_that_ends_with_an_error_is_500_and_says_its_exit_code()
    {
        await Daemon.DeployAsync("exits", "[process]\nruntime = \"binary\"\n", ("fn.sh", "#!/bin/sh\necho to the log >&2\nexit 7\n"));
        var (status, body) = await Daemon.CallAsync("exits");
        Assert.Equal(500, status);
        Assert.Contains('7', body);
        await Retry.UntilAsync("standard error is logged", async () => (await Daemon.LogsAsync("exits")).Contains("to the log", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("os._exit(3)", "3")]
    [InlineData("os.kill(os.getpid(), 9)", "signal 9")]
    [InlineData("os.kill(os.getpid(), 11)", "signal 11")]
    public async Task An_instance_that_dies_is_502_with_the_reason_and_a_fresh_one_serves(string code, string reason)
    {
        var name = "dies" + code.Length;
        await Daemon.DeployPythonAsync(name, $"import os\ndef fn(input, headers):\n    if input == 'die': {code}\n    return 'alive'\n");
        var (status, body) = await Daemon.CallAsync(name, "die");
        Assert.Equal(502, status);
        Assert.Contains(reason, body, StringComparison.Ordinal);
        Assert.Equal((200, "alive"), await Daemon.CallAsync(name));
    }

    [Fact]
    public async Task An_instance_that_eats_its_memory_is_502_with_the_limit()
    {
        await Daemon.DeployPythonAsync("eats", "def fn(input, headers):\n    return str(len(bytearray(int(input)))) if input else 'alive'\n", "memory = 64");
        var (status, body) = await Daemon.CallAsync("eats", $"{512 * 1024 * 1024}");
        Assert.True(status is 502, $"{status} {body}");
        Assert.Contains("64 MiB", body, StringComparison.Ordinal);
        Assert.Equal((200, "alive"), await Daemon.CallAsync("eats"));
    }

    [Fact]
    public async Task A_function_that_hangs_is_504_at_its_deadline_and_a_fresh_instance_serves()
    {
        await Daemon.DeployPythonAsync("hangs", "import time\ndef fn(input, headers):\n    while input: time.sleep(1)\n    return 'alive'\n", top: "timeout = 2\nmax-instances = 1");
        var (status, body) = await Daemon.CallAsync("hangs", "yes");
        Assert.Equal(504, status);
        Assert.Contains("2 s", body, StringComparison.Ordinal);
        Assert.Equal((200, "alive"), await Daemon.CallAsync("hangs"));
    }

    [Fact]
    public async Task A_callers_own_limit_ends_its_running_call_and_its_waiting_call_never_runs()
    {
        // "long" goes on until its caller has gone: no clock decides what happens here.
        await Daemon.DeployAsync("limited", "max-instances = 1\nqueue-timeout = 60\n[process]\nruntime = \"nodejs\"\n", ("index.js", """
            const calls = [];
            module.exports = (req, res) => {
              calls.push(req.body.toString());
              if (calls.at(-1) === 'long') req.on('close', () => {});
              else res.send(calls.join());
            };
            """));
        Assert.Equal((200, "first"), await Daemon.CallAsync("limited", "first"));
        using var leaves = new CancellationTokenSource();
        var holds = Daemon.Http.PostAsync("limited", new StringContent("long"), leaves.Token);
        await Retry.UntilAsync("the long call runs", async () => (await Daemon.DescribeAsync("limited")).GetProperty("instances").GetProperty("busy").GetInt32() == 1);
        var (status, body) = await CallWithin("200ms", "waits");
        Assert.Equal(504, status);
        Assert.Contains("it did not run", body, StringComparison.Ordinal);
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => holds);
        Assert.Equal((200, "first,long,last"), await CallWithin("1m", "last"));

        (status, body) = await CallWithin("0.2", "long");
        Assert.Equal(504, status);
        Assert.Contains("the caller's own limit", body, StringComparison.Ordinal);
        Assert.Equal(504, (await CallWithin("0", "never")).Status);
        (status, body) = await CallWithin("soon", "");
        Assert.Equal(400, status);
        Assert.Contains("X-Timeout is 'soon'; it must be seconds", body, StringComparison.Ordinal);

        async Task<(int Status, string Body)> CallWithin(string limit, string text)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "limited") { Content = new StringContent(text), Headers = { { "X-Timeout", limit } } };
            using var answer = await Daemon.Http.SendAsync(request);
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }
    }

    [Fact]
    public async Task A_function_that_writes_garbage_into_the_protocol_is_502_and_a_fresh_instance_serves()
    {
        await Daemon.DeployPythonAsync("garbage", """
            import os, stat
            def fn(input, headers):
                if not input: return 'alive'
                for fd in range(3, 64):
                    try:
                        if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, b'\xff' * 64)
                    except OSError: pass
                return 'after garbage'
            """);
        var (status, body) = await Daemon.CallAsync("garbage", "yes");
        Assert.Equal(502, status);
        Assert.Contains("protocol", body, StringComparison.Ordinal);
        Assert.Equal((200, "alive"), await Daemon.CallAsync("garbage"));
    }

    [Fact]
    public async Task A_function_that_closes_its_connection_is_502_and_a_fresh_instance_serves()
    {
        await Daemon.DeployPythonAsync("closes", """
            import os, stat, time
            def fn(input, headers):
                if not input: return 'alive'
                for fd in range(3, 64):
                    try:
                        if stat.S_ISSOCK(os.fstat(fd).st_mode): os.close(fd)
                    except OSError: pass
                time.sleep(60)
            """);
        Assert.Equal(502, (await Daemon.CallAsync("closes", "yes")).Status);
        Assert.Equal((200, "alive"), await Daemon.CallAsync("closes"));
    }

    [Fact]
    public async Task An_instance_that_stops_reading_costs_its_own_call()
    {
        await Daemon.DeployPythonAsync("deaf", "import os, signal\ndef fn(input, headers):\n    if len(input) < 10: os.kill(os.getpid(), signal.SIGSTOP)\n    return 'alive'\n", top: "timeout = 3\nmax-instances = 1");
        using (var stopped = new StringContent("stop"))
        using (var first = await Daemon.Http.PostAsync("deaf", stopped)) Assert.Contains((int)first.StatusCode, (int[])[502, 504]);
        using var large = await Daemon.Http.PostAsync("deaf", new ByteArrayContent(new byte[1024 * 1024]));
        Assert.Equal("alive", await large.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_full_queue_is_429_with_a_time_to_try_again()
    {
        await Daemon.DeployPythonAsync("narrow", "import time\ndef fn(input, headers):\n    time.sleep(float(input or 4))\n    return 'done'\n", top: "max-instances = 1\nmax-queue = 1");
        await Daemon.CallAsync("narrow", "0"); // one instance, ready
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Daemon.Http.GetAsync("narrow")));
        Assert.Equal(2, answers.Count(static answer => answer.StatusCode == HttpStatusCode.OK));
        Assert.All(answers.Where(static answer => answer.StatusCode != HttpStatusCode.OK), static answer =>
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
            Assert.True(answer.Headers.RetryAfter!.Delta >= TimeSpan.FromSeconds(1));
        });
    }

    [Fact]
    public async Task A_wait_that_gets_too_long_is_503_with_a_time_to_try_again()
    {
        await Daemon.DeployPythonAsync("busy", "import time\ndef fn(input, headers):\n    time.sleep(float(input or 0))\n    return 'done'\n", top: "max-instances = 1\nqueue-timeout = 0.2");
        await Daemon.CallAsync("busy", "0"); // one instance, ready
        using var enough = new CancellationTokenSource();
        var first = Daemon.Http.PostAsync("busy", new StringContent("60"), enough.Token);
        await Retry.UntilAsync("the first call runs", async () => (await Daemon.DescribeAsync("busy")).GetProperty("instances").GetProperty("busy").GetInt32() == 1);
        using var second = await Daemon.Http.GetAsync("busy");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, second.StatusCode);
        Assert.NotNull(second.Headers.RetryAfter);
        Assert.Contains("queue-timeout", await second.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
    }

    [Fact]
    public async Task A_function_that_stops_starting_is_503_with_the_reason()
    {
        // It starts once, for the deployment, and never again.
        FunctionFiles.Write(Path.Combine(Daemon.Registry, "_", "sulks"), ("code/fn.py", "raise RuntimeError('I do not feel like it')\n"), ("function.toml", "[process]\nruntime = \"python3\"\n"));
        Daemon.ExpectError("sulks");
        // Until it has been built, 503 has another reason.
        await Retry.UntilAsync("it was tried", async () => await Daemon.CallAsync("sulks") is (503, var why) && why.Contains("I do not feel like it", StringComparison.Ordinal));
        using var answer = await Daemon.Http.GetAsync("sulks");
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.Contains("I do not feel like it", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_not_taken_for_a_whole_one()
    {
        await Daemon.DeployPythonAsync("breaks", "import os\ndef fn(input, headers):\n    yield 'x' * 200000\n    yield 'y'\n    os._exit(1)\n");
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Daemon.Http.GetStringAsync("breaks"));
    }
}
