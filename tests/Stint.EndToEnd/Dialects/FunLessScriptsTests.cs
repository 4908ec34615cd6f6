using System.Text;
using System.Text.Json;
using Stint.EndToEnd.Fixtures;
using static Stint.EndToEnd.Dialects.FlClient;

namespace Stint.EndToEnd.Dialects;

/// <summary>Scheduling scripts: kept, listed, and held to on the one worker that there is.</summary>
public sealed class FunLessScriptsTests(FunLessDaemon shared) : IClassFixture<FunLessDaemon>
{
    private const string Everybody = "- default:\n    - workers: \"*\"\n";

    private FlClient Fl => shared.Guest;

    [Fact]
    public async Task Scripts_are_kept_shown_and_deleted()
    {
        var (status, body) = await AddAsync("first", Everybody);
        Assert.Equal(201, status);
        var id = JsonDocument.Parse(body).RootElement.GetProperty("data").GetProperty("id").GetInt32();
        var expected = JsonSerializer.Serialize(new { data = new { id, name = "first", script = Everybody } });
        AssertJson((201, expected), (status, body));
        AssertJson((200, expected), await Fl.SendAsync("GET", "v1/scripts/app/first"));
        Assert.Contains(JsonDocument.Parse((await Fl.SendAsync("GET", "v1/scripts/app")).Body).RootElement.GetProperty("data").EnumerateArray(), script => script.GetProperty("id").GetInt32() == id);
        AssertInvalid(await AddAsync("first", Everybody), "has already been taken");
        AssertInvalid(await AddAsync("fi-rst", Everybody), "must contain only alphanumeric characters and underscores");
        Assert.Equal((204, ""), await Fl.SendAsync("DELETE", "v1/scripts/app/first"));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("DELETE", "v1/scripts/app/first")));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("GET", "v1/scripts/app/first")));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("GET", "v1/scripts/app/..%2ffirst")));
    }

    [Theory]
    [InlineData("- default:\n    - strategy: random\n", "no_block_workers")]
    [InlineData("- default: []\n", "no_blocks")]
    [InlineData("- default:\n    - workers: \"*\"\n  followup: maybe\n", "unknown_followup")]
    [InlineData("default:\n  workers: \"*\"\n", "unknown_construct")]
    [InlineData("- default:\n    - workers: [", "line")]
    [InlineData("- &a [*a, *a]\n", "not allowed")]
    [InlineData("", "")]
    public async Task What_is_no_script_is_refused_with_its_reason(string yaml, string reason)
    {
        var (status, body) = await AddAsync("bad", yaml);
        Assert.Equal((400, "Bad Request"), (status, Detail(body)));
        Assert.Contains(reason, JsonDocument.Parse(body).RootElement.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(404, (await Fl.SendAsync("GET", "v1/scripts/app/bad")).Status);
    }

    [Fact]
    public async Task A_form_without_name_or_file_is_refused()
    {
        Assert.Equal((400, "Bad Request"), Fault(await Fl.FormAsync("POST", "v1/scripts/app", ("file", "x"u8.ToArray()))));
        Assert.Equal((400, "Bad Request"), Fault(await Fl.FormAsync("POST", "v1/scripts/app", null, ("name", "bad"))));
        Assert.Equal((400, "Bad Request"), Fault(await Fl.SendAsync("POST", "v1/scripts/app", """{"app_script":{"name":"bad","script":"x"}}""")));
        Assert.Equal((413, "Request Entity Too Large"), Fault(await Fl.FormAsync("POST", "v1/scripts/app", ("file", new byte[300_000]), ("name", "bad"))));
    }

    [Fact]
    public async Task A_call_runs_where_its_script_lets_it_and_else_nowhere()
    {
        var me = Environment.MachineName;
        await shared.Daemon.DeployPythonAsync("tagged", "def fn(input, headers): return '1'\n", top: "tag = \"edge\"");
        await shared.Daemon.DeployPythonAsync("huge", "def fn(input, headers): return '2'\n", top: "tag = \"edge\"\ncapacity = 2147483647");
        await AllowsAsync("all", Everybody, 200);
        await AllowsAsync("me", $"- edge:\n    - workers: [\"{me}\"]\n", 200);
        await AllowsAsync("others", "- edge:\n    - workers: [elsewhere]\n", 503);
        await AllowsAsync("fallback", "- edge:\n    - workers: [elsewhere]\n  followup: default\n- default:\n    - workers: \"*\"\n      strategy: platform\n", 200);
        await AllowsAsync("no_fallback", "- edge:\n    - workers: [elsewhere]\n  followup: fail\n- default:\n    - workers: \"*\"\n", 503);
        await AllowsAsync("idle_only", "- edge:\n    - workers: \"*\"\n      invalidate:\n        max_concurrent_invocations: 0\n", 503);
        await AllowsAsync("no_memory", "- edge:\n    - workers: \"*\"\n      invalidate:\n        capacity_used: 0%\n", 503);
        await AllowsAsync("with_web", "- edge:\n    - workers: \"*\"\n      affinity: [web]\n", 503);
        await AllowsAsync("without_web", "- edge:\n    - workers: \"*\"\n      affinity: [\"!web\"]\n", 200);
        await AllowsAsync("unknown_tag", "- cloud:\n    - workers: \"*\"\n", 500, "Something went wrong: :no_matching_tag");

        // While a function with the tag runs, affinity holds, and the other way round.
        await shared.Daemon.DeployPythonAsync("web", "import time\ndef fn(input, headers): time.sleep(120)\n", top: "tag = \"web\"\ntimeout = 120");
        using var leave = new CancellationTokenSource();
        var running = Fl.CallAndLeaveAsync("_", "web", leave.Token);
        await Retry.UntilAsync("the function with the tag web runs", async () => (await shared.Daemon.DescribeAsync("web")).GetProperty("instances").GetProperty("busy").GetInt32() == 1);
        Assert.Equal(200, (await CallAsync("tagged", "with_web")).Status);
        Assert.Equal((503, "No worker available"), Fault(await CallAsync("tagged", "without_web")));
        await leave.CancelAsync();
        await running;
        Assert.Equal(204, (await Fl.SendAsync("DELETE", "v1/fn/_/web")).Status);

        // The default policy: two tebibytes are more than this machine has.
        Assert.Equal((503, "No worker available"), Fault(await CallAsync("huge", "all")));
        Assert.Equal((503, "No worker available"), Fault(await Fl.InvokeAsync("_", "huge", """{"args":{},"scheduling":{"language":"none"}}""")));
        Assert.Equal((503, "No worker available"), Fault(await Fl.InvokeAsync("_", "huge")));
        AssertJson((200, """{"data":1}"""), await Fl.InvokeAsync("_", "tagged", """{"scheduling":{"language":"none"}}"""));
        AssertJson((200, """{"data":1}"""), await Fl.InvokeAsync("_", "tagged", """{"scheduling":null}"""));
        // Whoever calls it otherwise asks for no scheduling.
        Assert.Equal((200, "2"), await shared.Daemon.CallAsync("huge"));

        async Task AllowsAsync(string script, string yaml, int status, string detail = "No worker available")
        {
            Assert.Equal(201, (await AddAsync(script, yaml)).Status);
            var answer = await CallAsync("tagged", script);
            Assert.True(answer.Status == status, $"{script}: {answer}");
            if (status != 200) Assert.Equal(detail, Detail(answer.Body));
        }
    }

    private Task<(int Status, string Body)> CallAsync(string function, string script) => Fl.InvokeAsync("_", function, $$$"""{"args":{},"scheduling":{"language":"app","script":"{{{script}}}"}}""");

    private Task<(int Status, string Body)> AddAsync(string name, string yaml) => Fl.FormAsync("POST", "v1/scripts/app", ("file", Encoding.UTF8.GetBytes(yaml)), ("name", name));
}
