using System.Net;
using System.Text;
using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Dialects;

/// <summary>OpenFaaS's gateway, both generations, over functions that were deployed by other means.</summary>
public sealed class OpenFaasTests(OpenFaasDaemon shared) : IClassFixture<OpenFaasDaemon>, IDisposable
{
    private const string Alexa = """{"session":{"sessionId":"SessionId.1","application":{"applicationId":"amzn1.ask.skill.1"},"new":true},  "request":{"type":"IntentRequest","intent":{"name":"echo","slots":{}}},"version":"1.0"}""";
    private readonly FaasClient _client = new(shared.Daemon.ManagementPort);

    private StintDaemon Daemon => shared.Daemon;

    public void Dispose() => _client.Dispose();

    [Theory]
    [InlineData("GET"), InlineData("POST"), InlineData("PUT"), InlineData("DELETE"), InlineData("PATCH"), InlineData("OPTIONS"), InlineData("HEAD")]
    public async Task Every_method_reaches_the_function_with_path_and_query(string method)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), "function/echo/a/b?x=1&y=%20");
        // A page of another site and another name: neither matters for a call.
        request.Headers.Add("Origin", "http://example.org");
        request.Headers.Host = "edge.example.org";
        request.Headers.Add("X-Start-Time", "1");
        if (method is "POST" or "PUT" or "PATCH") request.Content = new StringContent("body");
        using var answer = await _client.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal((method, "/a/b"), (Header(answer, "X-Method"), Header(answer, "X-Path")));
        Assert.Contains("x=1&y=%20", Header(answer, "X-Query"), StringComparison.Ordinal);
        Assert.Equal($"{Header(answer, "X-Call-Id")} {Header(answer, "X-Start-Time")}", Header(answer, "X-Saw"));
        Assert.True(Guid.TryParse(Header(answer, "X-Call-Id"), out _));
        Assert.NotEqual("1", Header(answer, "X-Start-Time"));
        Assert.StartsWith("stint/", Header(answer, "X-Served-By"), StringComparison.Ordinal);
        Assert.Equal(request.Content is null ? "" : "body", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Redirects_pass_and_the_callers_call_id_is_kept()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "function/echo/moved") { Headers = { { "X-Call-Id", "id-1" } } };
        using var answer = await _client.Http.SendAsync(request);
        Assert.Equal((HttpStatusCode.Found, "http://elsewhere.example/", "id-1"), (answer.StatusCode, answer.Headers.Location!.ToString(), Header(answer, "X-Call-Id")));
        Assert.Equal("over there", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_namespace_is_a_module()
    {
        Assert.Equal((200, "dev"), await _client.SendAsync("POST", "function/echo.dev", ""));
        Assert.Equal((200, "hello x"), await PostAsync("function/hello.openfaas-fn", "x"));
        Assert.Equal(404, (await _client.SendAsync("POST", "function/hello.dev", "")).Status);
        var spaces = JsonSerializer.Deserialize<string[]>((await _client.SendAsync("GET", "system/namespaces")).Body)!;
        Assert.Equal("openfaas-fn", spaces[0]);
        Assert.Contains("dev", spaces);
        var listed = JsonDocument.Parse((await _client.SendAsync("GET", "system/functions?namespace=dev")).Body).RootElement;
        Assert.Contains("echo", listed.EnumerateArray().Select(static function => function.GetProperty("name").GetString()));
        Assert.All(listed.EnumerateArray(), static function => Assert.Equal("dev", function.GetProperty("namespace").GetString()));
        Assert.NotNull(await _client.DescribeAsync("echo", "dev"));
        Assert.Null(await _client.DescribeAsync("hello", "dev"));
    }

    [Fact]
    public async Task A_call_at_the_root_names_its_function_in_a_header_or_is_Alexas()
    {
        using var named = new HttpRequestMessage(HttpMethod.Post, "") { Headers = { { "X-Function", "hello" } }, Content = new StringContent("you") };
        using var answer = await _client.Http.SendAsync(named);
        Assert.Equal("hello you", await answer.Content.ReadAsStringAsync());
        // The body as received, its two spaces included.
        Assert.Equal((200, Alexa), await PostAsync("", Alexa));
        Assert.Equal((400, "Provide an x-function header or a valid Alexa SDK request."), await PostAsync("", Alexa.Replace("SessionId.1", "", StringComparison.Ordinal)));
        Assert.Equal((400, "Provide an x-function header or a valid Alexa SDK request."), await PostAsync("", ""));
        Assert.Equal(400, (await PostAsync("", new string(' ', 2_000_000) + Alexa)).Status);
        var (status, text) = await PostAsync("", Alexa.Replace("\"echo\"", "\"NobodyIntent\"", StringComparison.Ordinal));
        Assert.Equal(404, status);
        Assert.StartsWith("Error resolving service.", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_without_a_type_has_the_requests()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "function/echo/bare") { Content = new StringContent("{}", Encoding.UTF8, "application/json") };
        using var answer = await _client.Http.SendAsync(request);
        Assert.Equal(("application/json", "bare"), (answer.Content.Headers.ContentType!.MediaType, await answer.Content.ReadAsStringAsync()));
    }

    [Fact]
    public async Task An_asynchronous_call_is_accepted_and_runs()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "async-function/hello") { Headers = { { "X-Call-Id", "later-1" } }, Content = new StringContent("later") };
        using var answer = await _client.Http.SendAsync(request);
        Assert.Equal((HttpStatusCode.Accepted, "later-1"), (answer.StatusCode, Header(answer, "X-Call-Id")));
        await Retry.UntilAsync("the call has run", async () => (await LogAsync("hello")).Any(static line => Text(line) == "saw later"));
        Assert.Equal(404, (await PostAsync("async-function/nobody", "")).Status);
    }

    [Fact]
    public async Task A_body_of_megabytes_passes_both_ways()
    {
        var body = new string('x', 3_000_000);
        Assert.Equal((200, body), await PostAsync("function/echo", body));
    }

    [Fact]
    public async Task Logs_are_lines_of_JSON_with_tail_since_and_instance()
    {
        await PostAsync("function/hello", "one");
        await PostAsync("function/hello", "two");
        await Retry.UntilAsync("both lines are there", async () => (await LogAsync("hello")).Count(static line => Text(line) is "saw one" or "saw two") == 2);
        var all = (await LogAsync("hello&tail=-1")).ToList();
        Assert.Equal(("hello", "openfaas-fn"), (all[0].GetProperty("name").GetString(), all[0].GetProperty("namespace").GetString()));
        Assert.Equal(all.Select(Time).Order(), all.Select(Time));
        var two = all.Last(static line => Text(line) == "saw two");
        Assert.Equal(Text(all[^1]), Text(Assert.Single(await LogAsync("hello&tail=1"))));
        var since = Uri.EscapeDataString(Time(two).ToString("yyyy-MM-ddTHH:mm:ss.fffffffK", System.Globalization.CultureInfo.InvariantCulture));
        var later = await LogAsync($"hello&since={since}");
        Assert.Contains("saw two", later.Select(Text));
        Assert.DoesNotContain("saw one", later.Select(Text));
        var instance = two.GetProperty("instance").GetString();
        Assert.NotEmpty(instance!);
        Assert.All(await LogAsync($"hello&instance={instance}"), line => Assert.Equal(instance, line.GetProperty("instance").GetString()));
        Assert.Empty(await LogAsync("hello&instance=nobody"));
        Assert.Equal(400, (await _client.SendAsync("GET", "system/logs")).Status);
        Assert.Equal(400, (await _client.SendAsync("GET", "system/logs?name=hello&since=yesterday")).Status);
        Assert.Equal(400, (await _client.SendAsync("GET", "system/logs?name=hello&tail=x")).Status);
        Assert.Equal(404, (await _client.SendAsync("GET", "system/logs?name=nobody")).Status);
    }

    [Fact]
    public async Task Following_a_log_shows_each_line_as_it_is_written()
    {
        using var answer = await _client.Http.GetAsync("system/logs?name=hello&follow=true", HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
        for (var n = 0; n < 3; n++)
        {
            await PostAsync("function/hello", $"follow-{n}");
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (Text(JsonDocument.Parse((await reader.ReadLineAsync(limit.Token))!).RootElement) != $"saw follow-{n}") { }
        }
    }

    [Fact]
    public async Task Scaling_by_hand_and_by_alert_and_back()
    {
        await Daemon.DeployPythonAsync("scaled", "def fn(input): return 'x'", top: "max-instances = 12\nmin-instances = 1");
        await _client.ReadyAsync("scaled", 1);
        Assert.Equal(202, (await _client.SendAsync("POST", "system/scale-function/scaled", """{"serviceName":"scaled","replicas":3}""")).Status);
        await _client.ReadyAsync("scaled", 3);
        Assert.Equal(202, (await _client.SendAsync("POST", "system/scale-function/scaled", """{"serviceName":"scaled","replicas":0}""")).Status);
        await _client.ReadyAsync("scaled", 0);
        // The next call waits for an instance.
        Assert.Equal((200, "x"), await PostAsync("function/scaled", ""));

        foreach (var (status, label, count) in new[] { ("firing", "scaled", 5), ("firing", "scaled.openfaas-fn", 10), ("firing", "scaled", 12), ("firing", "scaled", 12), ("resolved", "scaled", 1) })
        {
            var (code, text) = await _client.SendAsync("POST", "system/alert", $$$"""{"receiver":"scale-up","status":"{{{status}}}","alerts":[{"status":"{{{status}}}","labels":{"alertname":"APIHighInvocationRate","function_name":"{{{label}}}"}}],"version":"4"}""");
            Assert.True(code == 200, text);
            await _client.ReadyAsync("scaled", count);
        }
        Assert.Equal(404, (await _client.SendAsync("POST", "system/alert", """{"status":"firing","alerts":[{"labels":{"function_name":"nobody"}}]}""")).Status);
        Assert.Equal(404, (await _client.SendAsync("POST", "system/scale-function/nobody", """{"replicas":1}""")).Status);
        foreach (var body in new[] { """{"replicas":13}""", """{"replicas":-1}""", "{}", "[]", "x", "null" }) Assert.Equal(400, (await _client.SendAsync("POST", "system/scale-function/scaled", body)).Status);
    }

    [Fact]
    public async Task Secrets_are_seen_by_the_functions_that_name_them_and_by_nobody_else()
    {
        byte[] bytes = [0, 200, 10, 65];
        Assert.Equal(201, (await _client.SendAsync("POST", "system/secrets", $$"""{"name":"api-key","rawValue":"{{Convert.ToBase64String(bytes)}}"}""")).Status);
        Assert.Equal(409, (await _client.SendAsync("POST", "system/secrets", """{"name":"api-key","value":"x"}""")).Status);
        Assert.Equal(201, (await _client.SendAsync("POST", "system/secrets", """{"name":"other","namespace":"openfaas-fn","value":"the-value-of-other"}""")).Status);
        Assert.Equal(201, (await _client.SendAsync("POST", "system/secrets", """{"name":"api-key","namespace":"dev","value":"devs"}""")).Status);
        Assert.Equal("""[{"name":"api-key","namespace":"openfaas-fn"},{"name":"other","namespace":"openfaas-fn"}]""", (await _client.SendAsync("GET", "system/secrets")).Body);

        const string code = "import os\ndef fn(input):\n    d = '/var/openfaas/secrets'\n    return {n: list(open(d + '/' + n, 'rb').read()) for n in os.listdir(d)} if os.path.isdir(d) else 'none'\n";
        await Daemon.DeployPythonAsync("reader", code, top: "secrets = [\"api-key\"]");
        await Daemon.DeployPythonAsync("stranger", code);
        await Daemon.DeployPythonAsync("reader.dev", code, top: "secrets = [\"api-key\"]");
        Assert.Equal("""{"api-key":[0,200,10,65]}""", (await PostAsync("function/reader", "")).Body.Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal("none", (await PostAsync("function/stranger", "")).Body.Trim('"'));
        Assert.Equal("""{"api-key":[100,101,118,115]}""", (await PostAsync("function/reader.dev", "")).Body.Replace(" ", "", StringComparison.Ordinal));

        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => Daemon.DeployPythonAsync("lacks", code, top: "secrets = [\"missing\"]"));
        Assert.Contains("faas-cli secret create missing", refused.Message, StringComparison.Ordinal);

        Assert.Equal(202, (await _client.SendAsync("PUT", "system/secrets", """{"name":"api-key","value":"AB"}""")).Status);
        await Retry.UntilAsync("the function's instances have been replaced", async () => (await PostAsync("function/reader", "")).Body.Replace(" ", "", StringComparison.Ordinal) == """{"api-key":[65,66]}""");
        Assert.Equal(404, (await _client.SendAsync("PUT", "system/secrets", """{"name":"missing","value":"x"}""")).Status);
        Assert.Equal(202, (await _client.SendAsync("DELETE", "system/secrets", """{"name":"other"}""")).Status);
        Assert.Equal(404, (await _client.SendAsync("DELETE", "system/secrets", """{"name":"other"}""")).Status);
        foreach (var body in new[] { """{"name":"../x","value":"the-value-of-other"}""", """{"name":"a","namespace":"../b","value":"the-value-of-other"}""", """{"name":"a","rawValue":"the-value-of-other!"}""", "the-value-of-other" })
        {
            var (status, text) = await _client.SendAsync("POST", "system/secrets", body);
            Assert.Equal(400, status);
            Assert.DoesNotContain("the-value", text, StringComparison.Ordinal);
        }
        Assert.DoesNotContain("the-value-of-other", Daemon.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Namespaces_can_be_made_described_and_removed()
    {
        Assert.Equal(404, (await _client.SendAsync("GET", "system/namespace/made")).Status);
        Assert.Equal(201, (await _client.SendAsync("POST", "system/namespace/made", """{"name":"made","annotations":{"openfaas":"1"},"labels":{"a":"b"}}""")).Status);
        Assert.Equal(409, (await _client.SendAsync("POST", "system/namespace/made", """{"name":"made"}""")).Status);
        Assert.Equal("""{"name":"made","annotations":{"openfaas":"1"},"labels":{"a":"b"}}""", (await _client.SendAsync("GET", "system/namespace/made")).Body);
        Assert.Equal(202, (await _client.SendAsync("PUT", "system/namespace/made", """{"name":"made","labels":{}}""")).Status);
        Assert.Contains("made", (await _client.SendAsync("GET", "system/namespaces")).Body, StringComparison.Ordinal);
        Assert.Equal(202, (await _client.SendAsync("DELETE", "system/namespace/made", """{"name":"made"}""")).Status);
        Assert.Equal(404, (await _client.SendAsync("DELETE", "system/namespace/made", """{"name":"made"}""")).Status);
        Assert.Equal(404, (await _client.SendAsync("PUT", "system/namespace/made", "{}")).Status);
        Assert.Equal(409, (await _client.SendAsync("DELETE", "system/namespace/dev")).Status);
        Assert.Equal(409, (await _client.SendAsync("DELETE", "system/namespace/openfaas-fn")).Status);
        Assert.Equal(400, (await _client.SendAsync("POST", "system/namespace/a%2fb", "{}")).Status);
    }

    [Fact]
    public async Task Health_the_description_of_the_system_and_the_page_are_there()
    {
        Assert.Equal(200, (await _client.SendAsync("GET", "healthz")).Status);
        Assert.Equal(200, (await _client.SendAsync("HEAD", "healthz")).Status);
        Assert.Equal(200, (await _client.SendAsync("GET", "system/telemetry")).Status);
        var info = JsonDocument.Parse((await _client.SendAsync("GET", "system/info")).Body).RootElement;
        Assert.All(new[] { "provider", "orchestration" }, name => Assert.NotEmpty(info.GetProperty("provider").GetProperty(name).GetString()!));
        Assert.NotEmpty(info.GetProperty("version").GetProperty("release").GetString()!);
        Assert.NotEmpty(info.GetProperty("arch").GetString()!);
        using var root = await _client.Http.GetAsync("");
        Assert.Equal((HttpStatusCode.Redirect, "/ui/"), (root.StatusCode, root.Headers.Location!.ToString()));
        using var page = await _client.Http.GetAsync("ui/");
        Assert.Equal("text/html", page.Content.Headers.ContentType!.MediaType);
        Assert.Equal(404, (await _client.SendAsync("GET", "system/nothing")).Status);
    }

    [Fact]
    public async Task What_cannot_be_deployed_says_why()
    {
        foreach (var (body, says) in new[]
        {
            ("{}", "name is missing"), ("""{"service":"a b","image":"i"}""", "A-Z a-z 0-9"), ("""{"service":"a","namespace":"b/c","image":"i"}""", "A-Z a-z 0-9"), ("""{"service":"a"}""", "'image' is missing"),
            ("""{"service":"a","image":"i","limits":{"memory":"x"}}""", "128Mi"), ("""{"service":"a","image":"bad image"}""", "image"), ("""{"service":"a","image":"i","envVars":[]}""", "envVars"), ("[", "JSON"), ("null", "JSON"),
        })
        {
            var (status, text) = await _client.SendAsync("POST", "system/functions", body);
            Assert.True(status == 400, $"{body}: {status} {text}");
            Assert.Contains(says, text, StringComparison.Ordinal);
        }
        Assert.Equal(404, (await _client.SendAsync("PUT", "system/functions", """{"service":"nobody","image":"i"}""")).Status);
        Assert.Equal(404, (await _client.SendAsync("DELETE", "system/functions", """{"functionName":"nobody"}""")).Status);
        await using var large = await RawHttp.ConnectAsync(Daemon.ManagementPort);
        await large.SendAsync("POST /system/functions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n{");
        Assert.StartsWith("HTTP/1.1 413 ", await large.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
    }

    private async Task<IReadOnlyList<JsonElement>> LogAsync(string query)
    {
        var (status, text) = await _client.SendAsync("GET", $"system/logs?name={query}");
        Assert.True(status == 200, text);
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement)];
    }

    private async Task<(int Status, string Body)> PostAsync(string path, string body)
    {
        using var answer = await _client.Http.PostAsync(path, new StringContent(body));
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static string Text(JsonElement line) => line.GetProperty("text").GetString()!;

    private static DateTimeOffset Time(JsonElement line) => line.GetProperty("timestamp").GetDateTimeOffset();

    private static string Header(HttpResponseMessage answer, string name) => Assert.Single(answer.Headers.GetValues(name));
}
