using System.Text.Json;
using Stint.EndToEnd.Fixtures;
using static Stint.EndToEnd.Dialects.FlClient;

namespace Stint.EndToEnd.Dialects;

/// <summary>FunLess's API, route by route of the contract's table.</summary>
public sealed class FunLessTests(FunLessDaemon shared) : IClassFixture<FunLessDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    private FlClient Fl => shared.Guest;

    [Fact]
    public async Task The_core_says_that_it_is_there_to_everybody()
    {
        Assert.Equal((200, "This FunLess Core is up and running! (prod)"), await shared.Nobody.SendAsync("GET", "v1"));
    }

    [Theory]
    [InlineData("GET", "v1/fn"), InlineData("POST", "v1/fn"), InlineData("GET", "v1/fn/_"), InlineData("PUT", "v1/fn/_"), InlineData("DELETE", "v1/fn/_"), InlineData("POST", "v1/fn/_"), InlineData("GET", "v1/fn/_/py")]
    [InlineData("PUT", "v1/fn/_/py"), InlineData("DELETE", "v1/fn/_/py"), InlineData("POST", "v1/fn/_/py"), InlineData("GET", "v1/scripts/app"), InlineData("POST", "v1/scripts/app"), InlineData("GET", "v1/scripts/app/x")]
    [InlineData("DELETE", "v1/scripts/app/x"), InlineData("GET", "v1/admin/subjects"), InlineData("POST", "v1/admin/subjects")]
    public async Task Every_other_route_wants_a_token(string method, string path)
    {
        using var forged = new FlClient(shared.Port, FlClient.TokenIn(shared.TokenFile, "Guest")[..^1] + "_");
        using var atManagement = new FlClient(Daemon.ManagementPort, null);
        foreach (var client in new[] { shared.Nobody, forged, atManagement })
        {
            var (status, body) = await client.SendAsync(method, path, method is "POST" or "PUT" ? "{}" : null);
            Assert.Equal((401, "Unauthorized"), (status, Detail(body)));
        }
    }

    [Fact]
    public async Task Subjects_are_the_administrators_business()
    {
        Assert.Equal(401, (await Fl.SendAsync("GET", "v1/admin/subjects")).Status);
        Assert.Equal(401, (await Fl.SendAsync("POST", "v1/admin/subjects", "{\"subject\":{\"name\":\"eve\"}}")).Status);
        var (status, body) = await shared.Admin.SendAsync("POST", "v1/admin/subjects", "{\"subject\":{\"name\":\"alice_1\"}}");
        Assert.Equal(201, status);
        var added = JsonDocument.Parse(body).RootElement.GetProperty("data");
        Assert.Equal("alice_1", added.GetProperty("name").GetString());
        using var alice = new FlClient(shared.Port, added.GetProperty("token").GetString());
        Assert.Equal(200, (await alice.SendAsync("GET", "v1/fn")).Status);
        Assert.Equal(401, (await alice.SendAsync("GET", "v1/admin/subjects")).Status);
        // What is listed is what was given out, although nothing but hashes is kept.
        var listed = JsonDocument.Parse((await shared.Admin.SendAsync("GET", "v1/admin/subjects")).Body).RootElement.GetProperty("data").EnumerateArray()
            .ToDictionary(static subject => subject.GetProperty("name").GetString()!, static subject => subject.GetProperty("token").GetString());
        Assert.Equal(added.GetProperty("token").GetString(), listed["alice_1"]);
        Assert.Equal(FlClient.TokenIn(shared.TokenFile, "Guest"), listed["guest"]);
        Assert.False(listed.ContainsKey("admin"));
        Assert.DoesNotContain(added.GetProperty("token").GetString()!, await File.ReadAllTextAsync(Path.Combine(Daemon.State, "funless", "subjects.json")), StringComparison.Ordinal);

        foreach (var taken in new[] { "alice_1", "admin", "guest" }) AssertInvalid(await AddSubjectAsync(taken), "has already been taken");
        AssertInvalid(await AddSubjectAsync("al ice"), "must contain only alphanumeric characters and underscores");
        AssertInvalid(await AddSubjectAsync("al-ice"), "must contain only alphanumeric characters and underscores");
        AssertInvalid(await AddSubjectAsync(""), "can't be blank");
        AssertInvalid(await AddSubjectAsync(new string('a', 161)), "should be at most 160 character(s)");
        AssertInvalid(await shared.Admin.SendAsync("POST", "v1/admin/subjects", "{\"subject\":{}}"), "can't be blank");
        AssertInvalid(await shared.Admin.SendAsync("POST", "v1/admin/subjects", "{\"subject\":{\"name\":7}}"), "is invalid");
        foreach (var bad in new[] { "", "{}", "[]", "{\"subject\":", "{\"subject\":[]}", "null" })
            Assert.Equal((400, "Bad Request"), Fault(await shared.Admin.SendAsync("POST", "v1/admin/subjects", bad)));

        Task<(int, string)> AddSubjectAsync(string name) => shared.Admin.SendAsync("POST", "v1/admin/subjects", JsonSerializer.Serialize(new { subject = new { name } }));
    }

    [Fact]
    public async Task Modules_are_made_listed_renamed_and_deleted()
    {
        AssertJson((201, """{"data":{"name":"Weather_1"}}"""), await Fl.SendAsync("POST", "v1/fn", """{"module":{"name":"Weather_1"}}"""));
        AssertInvalid(await Fl.SendAsync("POST", "v1/fn", """{"module":{"name":"Weather_1"}}"""), "has already been taken");
        AssertInvalid(await Fl.SendAsync("POST", "v1/fn", """{"module":{"name":"_"}}"""), "has already been taken");
        AssertInvalid(await Fl.SendAsync("POST", "v1/fn", """{"module":{"name":"other"}}"""), "has already been taken");
        AssertInvalid(await Fl.SendAsync("POST", "v1/fn", """{"module":{"name":"a-b"}}"""), "must contain only alphanumeric characters and underscores");
        AssertInvalid(await Fl.SendAsync("POST", "v1/fn", """{"module":{"name":"../x"}}"""), "must contain only alphanumeric characters and underscores");
        AssertInvalid(await Fl.SendAsync("POST", "v1/fn", """{"module":{"name":" "}}"""), "can't be blank");
        AssertInvalid(await Fl.SendAsync("POST", "v1/fn", """{"module":{}}"""), "can't be blank");
        AssertInvalid(await Fl.SendAsync("POST", "v1/fn", $$$"""{"module":{"name":"{{{new string('m', 161)}}}"}}"""), "should be at most 160 character(s)");
        Assert.Equal((400, "Bad Request"), Fault(await Fl.SendAsync("POST", "v1/fn", "{}")));
        Assert.Equal((400, "Bad Request"), Fault(await Fl.SendAsync("POST", "v1/fn", "nothing")));

        var modules = await NamesAsync("v1/fn");
        Assert.Equal("_", modules[0]);
        Assert.Contains("Weather_1", modules);
        Assert.Contains("other", modules);
        AssertJson((200, """{"data":{"name":"Weather_1","functions":[]}}"""), await Fl.SendAsync("GET", "v1/fn/Weather_1"));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("GET", "v1/fn/nobody")));
        AssertJson((200, """{"data":{"name":"other","functions":[{"name":"with-dash"}]}}"""), await Fl.SendAsync("GET", "v1/fn/other"));

        AssertJson((200, """{"data":{"name":"Climate"}}"""), await Fl.SendAsync("PUT", "v1/fn/Weather_1", """{"module":{"name":"Climate"}}"""));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("PUT", "v1/fn/Weather_1", """{"module":{"name":"Climate"}}""")));
        AssertJson((200, """{"data":{"name":"Climate"}}"""), await Fl.SendAsync("PUT", "v1/fn/Climate", """{"module":{"name":"Climate"}}"""));
        AssertInvalid(await Fl.SendAsync("PUT", "v1/fn/Climate", """{"module":{"name":"other"}}"""), "has already been taken");
        AssertInvalid(await Fl.SendAsync("PUT", "v1/fn/Climate", """{"module":{"name":"a b"}}"""), "must contain only alphanumeric characters and underscores");
        AssertInvalid(await Fl.SendAsync("PUT", "v1/fn/_", """{"module":{"name":"mine"}}"""), "the default module keeps its name");

        Assert.Equal((204, ""), await Fl.SendAsync("DELETE", "v1/fn/Climate"));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("DELETE", "v1/fn/Climate")));
        Assert.Equal((400, """{"error":"Cannot delete default module"}"""), await Fl.SendAsync("DELETE", "v1/fn/_"));
        Assert.DoesNotContain("Climate", await NamesAsync("v1/fn"));
    }

    [Fact]
    public async Task A_module_takes_its_functions_along_and_they_answer_all_the_time()
    {
        await Daemon.DeployPythonAsync("one.before", "def fn(input, headers): return '1'\n");
        Assert.Equal(201, (await Daemon.ManageAsync("system/secrets", """{"name":"key","namespace":"before","value":"s3cret"}""")).Status);
        await Daemon.DeployPythonAsync("two.before", "def fn(input, headers): return open('/var/openfaas/secrets/key').read()\n", top: "secrets = [\"key\"]");
        // The secret moves along: without it the function would not start.
        AssertJson((200, """{"data":{"name":"after"}}"""), await Fl.SendAsync("PUT", "v1/fn/before", """{"module":{"name":"after"}}"""));
        AssertJson((200, """{"data":{"name":"after","functions":[{"name":"one"},{"name":"two"}]}}"""), await Fl.SendAsync("GET", "v1/fn/after"));
        Assert.Equal((200, "1"), await Daemon.CallAsync("one.after"));
        Assert.Equal((200, "s3cret"), await Daemon.CallAsync("two.after"));
        Assert.Equal(404, (await Daemon.CallAsync("one.before")).Status);
        Assert.Equal(404, (await Fl.SendAsync("GET", "v1/fn/before")).Status);
        Assert.Equal(["one", "two"], Directory.EnumerateDirectories(Path.Combine(Daemon.Registry, "after")).Select(Path.GetFileName).Order());
        Assert.False(Directory.Exists(Path.Combine(Daemon.Registry, "before")));

        Assert.Equal(204, (await Fl.SendAsync("DELETE", "v1/fn/after")).Status);
        Assert.Equal(404, (await Daemon.CallAsync("one.after")).Status);
        Assert.Equal(404, (await Fl.SendAsync("GET", "v1/fn/after")).Status);
        Assert.DoesNotContain("after", await NamesAsync("v1/fn"));
        Assert.Empty(JsonDocument.Parse((await Daemon.ManageAsync("system/secrets?namespace=after")).Body).RootElement.EnumerateArray());
    }

    [Fact]
    public async Task A_function_of_any_runtime_is_called_with_args_and_answers_in_data()
    {
        AssertJson((200, """{"data":{"got":{"name":"x"}}}"""), await Fl.InvokeAsync("_", "py", """{"args":{"name":"x"}}"""));
        AssertJson((200, """{"data":{"got":{}}}"""), await Fl.InvokeAsync("_", "py", null));
        AssertJson((200, """{"data":{"got":{}}}"""), await Fl.InvokeAsync("_", "py", "{}"));
        AssertJson((200, """{"data":{"node":{"a":[1,2.5,null,"ü"]}}}"""), await Fl.InvokeAsync("other", "with-dash", """{"args":{"a":[1,2.5,null,"ü"]}}"""));
        AssertJson((200, """{"data":{"shell":true}}"""), await Fl.InvokeAsync("_", "shell", """{"args":{"shell":true}}"""));
        AssertJson((200, """{"data":[1,2]}"""), await Fl.InvokeAsync("_", "shell", """{"args":[1,2]}"""));
        AssertJson((200, """{"data":"not \"json\" at all: {}"}"""), await Fl.InvokeAsync("_", "plain"));
        AssertJson((200, """{"data":"//4="}"""), await Fl.InvokeAsync("other", "with-dash", """{"args":{"bytes":true}}"""));
        // Longer than what instances send in one piece.
        var (status, body) = await Fl.InvokeAsync("other", "with-dash", """{"args":{"big":3000000}}""");
        Assert.Equal((200, 3_000_000), (status, JsonDocument.Parse(body).RootElement.GetProperty("data").GetString()!.Length));
        using var call = new HttpRequestMessage(HttpMethod.Post, "v1/fn/_/py") { Headers = { { "X-Call-Id", "mine" } } };
        using var answer = await Fl.Http.SendAsync(call);
        Assert.Equal(["mine"], answer.Headers.GetValues("X-Call-Id"));
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);
        AssertJson((200, """{"data":{"name":"with-dash"}}"""), await Fl.SendAsync("GET", "v1/fn/other/with-dash"));
    }

    [Fact]
    public async Task Calls_that_fail_do_so_in_FunLess_s_words()
    {
        var (status, body) = await Fl.InvokeAsync("_", "py", """{"args":{"boom":true}}""");
        Assert.Equal(422, status);
        Assert.StartsWith("Error: ", Detail(body), StringComparison.Ordinal);
        Assert.Contains("boom", Detail(body), StringComparison.Ordinal);
        Assert.Equal((422, "Error: as asked"), Fault(await Fl.InvokeAsync("other", "with-dash", """{"args":{"status":418}}""")));
        Assert.Equal((404, "Not Found"), Fault(await Fl.InvokeAsync("_", "nobody")));
        Assert.Equal((404, "Not Found"), Fault(await Fl.InvokeAsync("nobody", "py")));
        Assert.Equal((404, "Not Found"), Fault(await Fl.InvokeAsync("_", "a%2Fb")));
        foreach (var bad in new[] { "[]", "7", "{\"args\":", "{\"args\":{},\"scheduling\":7}", """{"scheduling":{"language":"capp","script":"x"}}""", """{"scheduling":{"language":"app"}}""", """{"scheduling":{"script":"x"}}""" })
            Assert.Equal((400, "Bad Request"), Fault(await Fl.InvokeAsync("_", "py", bad)));
        Assert.Equal((404, "Not Found"), Fault(await Fl.InvokeAsync("_", "py", """{"scheduling":{"language":"app","script":"nobody"}}""")));

        await Daemon.DeployPythonAsync("slow", "import time\ndef fn(input, headers): time.sleep(60)\n", top: "timeout = 0.5");
        (status, body) = await Fl.InvokeAsync("_", "slow");
        Assert.Equal(500, status);
        Assert.StartsWith("Something went wrong: ", Detail(body), StringComparison.Ordinal);

        await Daemon.DeployPythonAsync("full", "import time\ndef fn(input, headers): time.sleep(120)\n", top: "max-instances = 1\nmax-queue = 0\ntimeout = 120");
        using var leave = new CancellationTokenSource();
        var running = Fl.CallAndLeaveAsync("_", "full", leave.Token);
        await Retry.UntilAsync("the only instance is busy", async () => (await Daemon.DescribeAsync("full")).GetProperty("instances").GetProperty("busy").GetInt32() == 1);
        Assert.Equal((503, "No worker available"), Fault(await Fl.InvokeAsync("_", "full")));
        await leave.CancelAsync();
        await running;
        Assert.Equal(204, (await Fl.SendAsync("DELETE", "v1/fn/_/full")).Status);
        FunctionFiles.Write(Daemon.Registry, ("_/broken/function.toml", "[process]\nruntime = \"python3\"\n"));
        await Retry.UntilAsync("the broken function is known", async () => (await Fl.SendAsync("GET", "v1/fn/_/broken")).Status == 200);
        await Retry.UntilAsync("the broken function is broken", async () => Fault(await Fl.InvokeAsync("_", "broken")) == (503, "No worker available"));
        Assert.Equal(204, (await Fl.SendAsync("DELETE", "v1/fn/_/broken")).Status);
    }

    [Fact]
    public async Task The_port_has_FunLess_s_API_alone_and_the_management_port_has_it_too()
    {
        foreach (var path in new[] { "healthz", "metrics", "stint/v1/functions", "list", "system/functions", "invoke/py", "function/py", "openapi.json", "" })
            Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("GET", path)));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("POST", "function/py", "{}")));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("GET", "v1/nothing/here")));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("PATCH", "v1/fn/_", "{}")));
        using var atManagement = new FlClient(Daemon.ManagementPort, FlClient.TokenIn(shared.TokenFile, "Guest"));
        AssertJson((200, """{"data":{"got":{"name":"y"}}}"""), await atManagement.InvokeAsync("_", "py", """{"args":{"name":"y"}}"""));
        using var foreign = new HttpRequestMessage(HttpMethod.Get, "v1/fn") { Headers = { Host = "evil.example" } };
        using var refused = await Fl.Http.SendAsync(foreign);
        Assert.Equal(403, (int)refused.StatusCode);
        Assert.Contains(shared.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), (await Daemon.ManageAsync("stint/v1/info")).Body, StringComparison.Ordinal);
    }

    private async Task<List<string>> NamesAsync(string path) =>
        [.. JsonDocument.Parse((await Fl.SendAsync("GET", path)).Body).RootElement.GetProperty("data").EnumerateArray().Select(static item => item.GetProperty("name").GetString()!)];
}
