using System.Text.Json;
using Stint.EndToEnd.Fixtures;
using static Stint.EndToEnd.Dialects.FlClient;

namespace Stint.EndToEnd.Dialects;

/// <summary>Functions of WebAssembly through FunLess's API: made, changed, called from everywhere, and gone.</summary>
public sealed class FunLessFunctionsTests(FunLessDaemon shared) : IClassFixture<FunLessDaemon>
{
    private const string Mqtt = """{"type":"mqtt","params":{"host":"127.0.0.1","port":"1","topic":"a/b"}}""";
    private const string Kafka = """{"type":"kafka","params":{}}""";
    private const string CouchDb = """{"type":"couchdb","params":{"url":"http://127.0.0.1:1/db","username":"u","password":"p"}}""";

    private StintDaemon Daemon => shared.Daemon;

    private FlClient Fl => shared.Guest;

    [Fact]
    public async Task A_function_is_made_called_through_every_dialect_changed_renamed_and_deleted()
    {
        var echo = await FlModules.EchoAsync();
        Assert.Equal(201, (await Fl.SendAsync("POST", "v1/fn", """{"module":{"name":"life"}}""")).Status);
        AssertJson((201, """{"data":{"name":"hello_1"}}"""), await Fl.CreateAsync("life", "hello_1", echo, ("wait_for_workers", "true")));
        AssertJson((200, """{"data":{"name":"hello_1"}}"""), await Fl.SendAsync("GET", "v1/fn/life/hello_1"));
        AssertJson((200, """{"data":{"name":"life","functions":[{"name":"hello_1"}]}}"""), await Fl.SendAsync("GET", "v1/fn/life"));
        AssertJson((200, """{"data":{"name":"x"}}"""), await Fl.InvokeAsync("life", "hello_1", """{"args":{"name":"x"}}"""));
        AssertJson((200, """{"data":{}}"""), await Fl.InvokeAsync("life", "hello_1", null));
        Assert.Equal((200, """{"a":1}"""), await Daemon.CallAsync("hello_1.life", """{"a":1}"""));
        using var faas = new FaasClient(Daemon.ManagementPort);
        Assert.Equal((200, """{"a":2}"""), await faas.SendAsync("POST", "function/hello_1.life", """{"a":2}"""));
        Assert.Equal((200, """{"a":3}"""), await faas.SendAsync("POST", "invoke/hello_1.life/", """{"a":3}"""));
        Assert.Contains("hello_1.life\n", (await Daemon.ManageAsync("list")).Body, StringComparison.Ordinal);

        Assert.Equal((409, "Conflict"), Fault(await Fl.CreateAsync("life", "hello_1", echo)));
        AssertJson((200, """{"data":{"name":"hello_1"}}"""), await Fl.FormAsync("PUT", "v1/fn/life/hello_1", ("code", await FlModules.SayingAsync("\"two\"")), ("name", "hello_1")));
        AssertJson((200, """{"data":"two"}"""), await Fl.InvokeAsync("life", "hello_1"));
        AssertJson((200, """{"data":{"name":"bye"}}"""), await Fl.FormAsync("PUT", "v1/fn/life/hello_1", ("code", await FlModules.SayingAsync("\"three\"")), ("name", "bye")));
        AssertJson((200, """{"data":"three"}"""), await Fl.InvokeAsync("life", "bye"));
        Assert.Equal((404, "Not Found"), Fault(await Fl.InvokeAsync("life", "hello_1")));
        Assert.Equal(404, (await Daemon.CallAsync("hello_1.life")).Status);

        Assert.Equal(201, (await Fl.CreateAsync("life", "third", echo)).Status);
        AssertInvalid(await Fl.FormAsync("PUT", "v1/fn/life/bye", ("code", echo), ("name", "third")), "has already been taken");
        AssertInvalid(await Fl.FormAsync("PUT", "v1/fn/life/bye", ("code", echo), ("name", "th-ird")), "must contain only alphanumeric characters and underscores");
        Assert.Equal((404, "Not Found"), Fault(await Fl.FormAsync("PUT", "v1/fn/life/nobody", ("code", echo), ("name", "nobody"))));
        Assert.Equal((404, "Not Found"), Fault(await Fl.FormAsync("PUT", "v1/fn/nobody/bye", ("code", echo), ("name", "bye"))));

        Assert.Equal((204, ""), await Fl.SendAsync("DELETE", "v1/fn/life/bye"));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("DELETE", "v1/fn/life/bye")));
        Assert.Equal((404, "Not Found"), Fault(await Fl.SendAsync("GET", "v1/fn/life/bye")));
        Assert.Equal(204, (await Fl.SendAsync("DELETE", "v1/fn/life/third")).Status);
        // The module stays without any.
        AssertJson((200, """{"data":{"name":"life","functions":[]}}"""), await Fl.SendAsync("GET", "v1/fn/life"));
    }

    [Fact]
    public async Task The_longest_names_are_good_everywhere()
    {
        var (module, name) = (new string('m', 160), new string('f', 160));
        Assert.Equal(201, (await Fl.SendAsync("POST", "v1/fn", $$$"""{"module":{"name":"{{{module}}}"}}""")).Status);
        AssertJson((201, $$$"""{"data":{"name":"{{{name}}}"}}"""), await Fl.CreateAsync(module, name, await FlModules.EchoAsync()));
        AssertJson((200, """{"data":{"a":1}}"""), await Fl.InvokeAsync(module, name, """{"args":{"a":1}}"""));
        Assert.Equal(200, (await Daemon.CallAsync($"{name}.{module}", "{}")).Status);
        Assert.Equal(204, (await Fl.SendAsync("DELETE", $"v1/fn/{module}")).Status);
        Assert.Equal(404, (await Fl.SendAsync("GET", $"v1/fn/{module}/{name}")).Status);
    }

    [Fact]
    public async Task What_a_module_reports_and_what_breaks_it_are_told_apart()
    {
        Assert.Equal(201, (await Fl.CreateAsync("_", "failing", await FlModules.FailingAsync("no such city"))).Status);
        Assert.Equal((422, "Error: no such city"), Fault(await Fl.InvokeAsync("_", "failing")));
        Assert.Equal(201, (await Fl.CreateAsync("_", "trapped", await FlModules.TrappedAsync())).Status);
        var (status, body) = await Fl.InvokeAsync("_", "trapped");
        Assert.Equal(500, status);
        Assert.StartsWith("Something went wrong: ", Detail(body), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_form_that_lacks_something_or_has_something_else_is_refused_and_nothing_is_left()
    {
        var echo = await FlModules.EchoAsync();
        await RefusedAsync(400, Fl.FormAsync("POST", "v1/fn/_", ("code", echo)), "'name' is missing");
        await RefusedAsync(400, Fl.FormAsync("POST", "v1/fn/_", ("code", echo), ("name", "")), "'name' is missing");
        await RefusedAsync(400, Fl.FormAsync("POST", "v1/fn/_", null, ("name", "bad")), "'code' is missing");
        foreach (var field in new[] { "events", "sinks", "metadata" })
        {
            await RefusedAsync(400, Fl.CreateAsync("_", "bad", echo, (field, "{")), field);
            await RefusedAsync(400, Fl.CreateAsync("_", "bad", echo, (field, "7")), field);
        }
        await RefusedAsync(400, Fl.CreateAsync("_", "bad", echo, ("metadata", """{"capacity":"much"}""")), "metadata");
        await RefusedAsync(400, Fl.CreateAsync("_", "bad", echo, ("metadata", """{"capacity":-2}""")), "metadata");
        await RefusedAsync(400, Fl.CreateAsync("_", "bad", FunctionFiles.Zip(("module.wasm", "x"))), "a zip");
        await RefusedAsync(400, Fl.CreateAsync("_", "bad", "print('hello')"u8.ToArray()), "WebAssembly");
        await RefusedAsync(400, Fl.CreateAsync("_", "bad", []), "WebAssembly");
        await RefusedAsync(400, Fl.CreateAsync("_", "bad", [.. "\0asm"u8, 1, 0, 0, 0]), "");
        await RefusedAsync(400, Fl.CreateAsync("_", "bad", [.. echo, 99, 99, 99]), "");
        await RefusedAsync(413, Fl.CreateAsync("_", "bad", [.. echo, .. new byte[5_000_000]]), "--max-upload");
        await RefusedAsync(400, Fl.CreateAsync("_", "bad", echo, ("events", new string(' ', 300_000))), "longer than");
        await RefusedAsync(400, Fl.FormAsync("POST", "v1/fn/_", ("code", echo), ("name", "bad"), ("name", "worse")), "twice");
        await RefusedAsync(400, Fl.SendAsync("POST", "v1/fn/_", """{"name":"bad"}"""), "multipart/form-data");
        await RefusedAsync(404, Fl.CreateAsync("nobody", "bad", echo), "module");
        AssertInvalid(await Fl.CreateAsync("_", "ba-d", echo), "must contain only alphanumeric characters and underscores");
        AssertInvalid(await Fl.CreateAsync("_", "../bad", echo), "must contain only alphanumeric characters and underscores");
        AssertInvalid(await Fl.CreateAsync("_", new string('b', 161), echo), "should be at most 160 character(s)");
        Assert.Equal(404, (await Fl.SendAsync("GET", "v1/fn/_/bad")).Status);

        // A form that breaks off, and one that is none for all its words.
        foreach (var body in new[] { "--b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nbad\r\n", "nonsense", "--b\r\n", new string('-', 70_000) })
        {
            await using var raw = await RawHttp.ConnectAsync(shared.Port);
            await raw.SendAsync($"POST /v1/fn/_ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TokenIn(shared.TokenFile, "Guest")}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}");
            Assert.StartsWith("HTTP/1.1 400 ", await raw.ReadToEndAsync(), StringComparison.Ordinal);
        }
        await Retry.UntilAsync("no upload lies about", () => !Directory.EnumerateFileSystemEntries(Daemon.Temporary, "stint-upload-*").Any());
    }

    [Fact]
    public async Task Events_and_sinks_are_told_one_by_one()
    {
        var echo = await FlModules.EchoAsync();
        AssertJson((201, """{"data":{"name":"ev1","events":[{"status":"success"}],"events_metadata":{"successful":1,"failed":0,"total":1}}}"""), await Fl.CreateAsync("_", "ev1", echo, ("events", $"[{Mqtt}]")));
        AssertJson((207, """{"data":{"name":"ev2","events":[{"status":"success"},{"status":"error","message":":not_implemented"}],"events_metadata":{"successful":1,"failed":1,"total":2}}}"""),
            await Fl.CreateAsync("_", "ev2", echo, ("events", $"[{Mqtt},{Kafka}]")));
        AssertJson((201, """{"data":{"name":"ev3","sinks":[{"status":"success"}],"sinks_metadata":{"successful":1,"failed":0,"total":1}}}"""), await Fl.CreateAsync("_", "ev3", echo, ("sinks", $"[{CouchDb}]")));
        AssertJson((207, """{"data":{"name":"ev4","events":[{"status":"success"}],"events_metadata":{"successful":1,"failed":0,"total":1},"sinks":[{"status":"error","message":":not_implemented"}],"sinks_metadata":{"successful":0,"failed":1,"total":1}}}"""),
            await Fl.CreateAsync("_", "ev4", echo, ("events", $"[{Mqtt}]"), ("sinks", """[{"type":"paper","params":{}}]""")));
        AssertJson((201, """{"data":{"name":"ev5"}}"""), await Fl.CreateAsync("_", "ev5", echo, ("events", "[]"), ("sinks", "")));
        var (status, body) = await Fl.CreateAsync("_", "ev6", echo, ("events", """[{"type":"mqtt","params":{"port":1}},7]"""));
        Assert.Equal(207, status);
        Assert.Equal(2, JsonDocument.Parse(body).RootElement.GetProperty("data").GetProperty("events_metadata").GetProperty("failed").GetInt32());
        // It is there all the same, with what succeeded.
        AssertJson((200, """{"data":{}}"""), await Fl.InvokeAsync("_", "ev2"));

        Assert.Contains("[[event]]", await TomlAsync("ev2"), StringComparison.Ordinal);
        Assert.DoesNotContain("kafka", await TomlAsync("ev2"), StringComparison.Ordinal);
        Assert.Contains("[[sink]]", await TomlAsync("ev3"), StringComparison.Ordinal);
        // An update changes them when it says something of them.
        AssertJson((200, """{"data":{"name":"ev3"}}"""), await Fl.FormAsync("PUT", "v1/fn/_/ev3", ("code", echo), ("name", "ev3")));
        Assert.Contains("[[sink]]", await TomlAsync("ev3"), StringComparison.Ordinal);
        AssertJson((200, """{"data":{"name":"ev3","events":[{"status":"success"}],"events_metadata":{"successful":1,"failed":0,"total":1}}}"""), await Fl.FormAsync("PUT", "v1/fn/_/ev3", ("code", echo), ("name", "ev3"), ("events", $"[{Mqtt}]"), ("sinks", "[]")));
        Assert.DoesNotContain("[[sink]]", await TomlAsync("ev3"), StringComparison.Ordinal);
        Assert.Contains("[[event]]", await TomlAsync("ev3"), StringComparison.Ordinal);
        Assert.Equal(207, (await Fl.FormAsync("PUT", "v1/fn/_/ev3", ("code", echo), ("name", "ev3"), ("sinks", """[{"type":"paper"}]"""))).Status);
        foreach (var name in new[] { "ev1", "ev2", "ev3", "ev4", "ev5", "ev6" }) Assert.Equal(204, (await Fl.SendAsync("DELETE", $"v1/fn/_/{name}")).Status);
    }

    [Fact]
    public async Task Metadata_and_everything_else_of_function_toml_outlive_an_update()
    {
        var echo = await FlModules.EchoAsync();
        Assert.Equal(201, (await Fl.CreateAsync("_", "meta", echo, ("metadata", """{"tag":"a \"tag\"","capacity":128,"params":["x"]}"""))).Status);
        Assert.Contains("tag = \"a \\\"tag\\\"\"", await TomlAsync("meta"), StringComparison.Ordinal);
        Assert.Contains("capacity = 128", await TomlAsync("meta"), StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(Daemon.Registry, "_", "meta", "function.toml"), "timeout = 7\n" + await TomlAsync("meta"));
        await Retry.UntilAsync("the edit is taken up", async () => (await Daemon.DescribeAsync("meta")).GetProperty("timeoutSeconds").GetDouble() == 7);
        Assert.Equal(200, (await Fl.FormAsync("PUT", "v1/fn/_/meta", ("code", echo), ("name", "meta2"))).Status);
        foreach (var kept in new[] { "capacity = 128", "tag = ", "timeout = 7", "[wasm]" }) Assert.Contains(kept, await TomlAsync("meta2"), StringComparison.Ordinal);
        Assert.Equal(200, (await Fl.FormAsync("PUT", "v1/fn/_/meta2", ("code", echo), ("name", "meta2"), ("metadata", """{"capacity":-1}"""))).Status);
        Assert.DoesNotContain("capacity", await TomlAsync("meta2"), StringComparison.Ordinal);
        Assert.DoesNotContain("tag", await TomlAsync("meta2"), StringComparison.Ordinal);
        // What was something else becomes a module, under the name that it had.
        await Daemon.DeployPythonAsync("was-py", "def fn(input, headers): return 'py'\n", top: "timeout = 9");
        AssertJson((200, """{"data":{"name":"was-py"}}"""), await Fl.FormAsync("PUT", "v1/fn/_/was-py", ("code", echo), ("name", "was-py")));
        AssertJson((200, """{"data":{"now":"wasm"}}"""), await Fl.InvokeAsync("_", "was-py", """{"args":{"now":"wasm"}}"""));
        Assert.Contains("timeout = 9", await TomlAsync("was-py"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_many_who_make_the_same_function_at_once_one_does()
    {
        var modules = await Task.WhenAll(Enumerable.Range(0, 6).Select(static i => FlModules.SayingAsync(i.ToString(System.Globalization.CultureInfo.InvariantCulture))));
        var answers = await Task.WhenAll(modules.Select(module => Fl.CreateAsync("_", "race", module)));
        var winner = Assert.Single(Enumerable.Range(0, answers.Length), i => answers[i].Status == 201);
        Assert.All(answers.Where((_, i) => i != winner), static answer => Assert.Equal((409, "Conflict"), Fault(answer)));
        AssertJson((200, $"{{\"data\":{winner}}}"), await Fl.InvokeAsync("_", "race"));
    }

    private async Task<string> TomlAsync(string name) => await File.ReadAllTextAsync(Path.Combine(Daemon.Registry, "_", name, "function.toml"));

    private static async Task RefusedAsync(int status, Task<(int Status, string Body)> asked, string why)
    {
        var answer = await asked;
        Assert.True(answer.Status == status, $"status {answer.Status}: {answer.Body}");
        Assert.Equal(status switch { 400 => "Bad Request", 404 => "Not Found", _ => "Request Entity Too Large" }, Detail(answer.Body));
        // Beside their word, ours: what is wrong.
        Assert.Contains(why, JsonDocument.Parse(answer.Body).RootElement.GetProperty("message").GetString(), StringComparison.Ordinal);
    }
}
