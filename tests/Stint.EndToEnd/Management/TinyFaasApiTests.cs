using System.IO.Compression;
using System.Text;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Management;

/// <summary>tinyFaaS's six routes as its scripts use them, and their answers to what is wrong (contract tinyfaas.md).</summary>
public sealed class TinyFaasApiTests(SharedDaemon shared) : IClassFixture<SharedDaemon>
{
    private static readonly byte[] Python = FunctionFiles.Zip(("fn.py", "import os\ndef fn(input, headers):\n    print('called with', input)\n    return f\"{input} {os.environ.get('GREETING')} {headers.get('Lab')}\"\n"), ("requirements.txt", ""));

    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task A_python_function_is_uploaded_listed_called_logged_replaced_and_deleted()
    {
        Assert.Equal((200, $"http://localhost:{Daemon.HttpPort}/sieve\n"), await UploadAsync("sieve", "python3", Python, envs: "[\"GREETING=hi there=you\", \"no equals sign\"]", threads: 2));
        Assert.Contains("sieve\n", (await Daemon.ManageAsync("list")).Body, StringComparison.Ordinal);
        using var request = new HttpRequestMessage(HttpMethod.Post, "sieve") { Content = new StringContent("x"), Headers = { { "lab", "7" } } };
        Assert.Equal("x hi there=you 7", await (await Daemon.Http.SendAsync(request)).Content.ReadAsStringAsync());
        var described = await Daemon.DescribeAsync("sieve");
        Assert.Equal(2, described.GetProperty("minInstances").GetInt32());
        Assert.Equal(2, described.GetProperty("maxInstances").GetInt32());
        await Retry.UntilAsync("the call is logged", async () => (await Daemon.LogsAsync("sieve")).Contains("called with x", StringComparison.Ordinal));
        var lines = (await Daemon.LogsAsync("sieve")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines, static line => Assert.Matches(@"^function=sieve handler=[0-9a-f]* \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z .*$", line));
        Assert.Contains(lines, static line => line.Contains("without '='", StringComparison.Ordinal));
        Assert.Contains("function=sieve ", await Daemon.Management.GetStringAsync("logs"), StringComparison.Ordinal);

        Assert.Equal(200, (await UploadAsync("sieve", "python3", FunctionFiles.Zip(("fn.py", "def fn(input): return 'second'\n")))).Status);
        Assert.Equal((200, "second"), await Daemon.CallAsync("sieve"));
        Assert.Equal((200, ""), await Daemon.ManageAsync("delete", """{"name":"sieve"}"""));
        Assert.Equal(404, (await Daemon.CallAsync("sieve")).Status);
        Assert.DoesNotContain("sieve\n", (await Daemon.ManageAsync("list")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_function_and_a_binary_one_are_uploaded_and_called()
    {
        var node = FunctionFiles.Zip(("package.json", """{"name":"fn","version":"1.0.0","main":"index.js"}"""), ("index.js", "module.exports = (req, res) => { const response = Object.keys(req.headers).includes('lab'); console.log(response); res.send('node ' + req.body + response) }"));
        Assert.Equal(200, (await UploadAsync("nodefn", "nodejs", node)).Status);
        Assert.Equal((200, "node xfalse"), await Daemon.CallAsync("nodefn", "x"));
        Assert.Equal(200, (await UploadAsync("binfn", "binary", FunctionFiles.Zip(("fn.sh", "#!/bin/sh\necho \"lab=$Http_Lab\"; ./helper.sh\n"), ("helper.sh", "#!/bin/sh\necho helped\n")))).Status);
        var (status, body) = await Daemon.CallAsync("binfn");
        Assert.True(status is 200 or 500, body); // helper.sh has no executable bit in this zip
    }

    [Fact]
    public async Task Wiping_removes_everything_with_and_without_a_body()
    {
        await using var daemon = await StintDaemon.StartAsync();
        foreach (var body in new[] { "", "{}", "anything" })
        {
            await daemon.DeployPythonAsync("one", "def fn(input, headers): return 1\n");
            await daemon.DeployPythonAsync("two", "def fn(input, headers): return 2\n");
            Assert.Equal((200, ""), await daemon.ManageAsync("wipe", body));
            Assert.Equal((200, ""), await daemon.ManageAsync("list"));
            Assert.Equal(404, (await daemon.CallAsync("one")).Status);
        }
    }

    [Theory]
    [InlineData("upload", "GET"), InlineData("uploadURL", "GET"), InlineData("delete", "GET"), InlineData("delete", "DELETE"), InlineData("list", "POST"), InlineData("wipe", "GET"), InlineData("logs", "POST")]
    public async Task A_wrong_method_is_400(string route, string method)
    {
        var (status, body) = await Daemon.ManageAsync(route, method: new HttpMethod(method));
        Assert.Equal(400, status);
        Assert.NotEmpty(body);
    }

    [Theory]
    [InlineData("upload", "no json")]
    [InlineData("upload", "")]
    [InlineData("upload", "[]")]
    [InlineData("upload", "null")]
    [InlineData("upload", """{"name":"x","env":"python3","threads":1,"zip":"***"}""")]
    [InlineData("upload", """{"name":"x","env":"python3","threads":"many","zip":""}""")]
    [InlineData("upload", """{"name":"x","env":"python3","threads":1}""")]
    [InlineData("uploadURL", "{")]
    [InlineData("uploadURL", """{"name":"x","env":"python3","threads":1,"url":"ftp://localhost/x"}""")]
    [InlineData("uploadURL", """{"name":"x","env":"python3","threads":1,"url":"file:///etc/passwd"}""")]
    [InlineData("uploadURL", """{"name":"x","env":"python3","threads":1}""")]
    [InlineData("delete", "}")]
    [InlineData("delete", "{}")]
    public async Task An_unusable_body_is_400_with_a_line_of_text(string route, string body)
    {
        var (status, text) = await Daemon.ManageAsync(route, body);
        Assert.Equal(400, status);
        Assert.NotEmpty(text.Trim());
    }

    [Theory]
    [InlineData("cobol", "python3, nodejs or binary"), InlineData("", "python3, nodejs or binary")]
    public async Task An_unknown_environment_is_400(string env, string says) => await RefusedAsync(UploadAsync("x", env, Python), says);

    [Theory]
    [InlineData(0), InlineData(-1), InlineData(100_000)]
    public async Task An_impossible_number_of_threads_is_400(int threads) => await RefusedAsync(UploadAsync("x", "python3", Python, threads: threads), "threads");

    [Theory]
    [InlineData(""), InlineData("../up"), InlineData("a/b"), InlineData("..", "name"), InlineData("a b"), InlineData("\u00e4"), InlineData("a.b.c")]
    public async Task A_name_that_is_none_is_400(string name, string says = "name")
    {
        await RefusedAsync(UploadAsync(name, "python3", Python), says);
        await RefusedAsync(Daemon.ManageAsync("delete", $$"""{"name":"{{name}}"}"""), says);
    }

    [Fact]
    public async Task Code_without_its_entry_is_400_and_says_what_is_missing()
    {
        await RefusedAsync(UploadAsync("x", "python3", FunctionFiles.Zip(("main.py", ""))), "fn.py");
        await RefusedAsync(UploadAsync("x", "nodejs", FunctionFiles.Zip(("readme", ""))), "package.json");
        await RefusedAsync(UploadAsync("x", "binary", FunctionFiles.Zip(("run.sh", ""))), "fn.sh");
        await RefusedAsync(UploadAsync("x", "python3", FunctionFiles.Zip(("inner/fn.py", ""))), "inner");
    }

    [Fact]
    public async Task Code_that_does_not_load_is_400_with_its_error()
    {
        await RefusedAsync(UploadAsync("x", "python3", FunctionFiles.Zip(("fn.py", "def fn(input, headers)\n"))), "SyntaxError");
        await RefusedAsync(UploadAsync("x", "python3", FunctionFiles.Zip(("fn.py", "def other(): pass\n"))), "fn");
        await RefusedAsync(UploadAsync("x", "nodejs", FunctionFiles.Zip(("index.js", "module.exports = 5"))), "function");
    }

    [Fact]
    public async Task What_is_no_zip_is_400()
    {
        await RefusedAsync(UploadAsync("x", "python3", Encoding.UTF8.GetBytes("this is no zip at all")), "zip");
        await RefusedAsync(UploadAsync("x", "python3", Python[..^30]), "zip");
    }

    [Theory]
    [InlineData("../../../../../../tmp/stint-e2e-escaped"), InlineData("/tmp/stint-e2e-escaped"), InlineData("a/../../escaped"), InlineData("a\\..\\b")]
    public async Task A_zip_that_leads_out_of_its_folder_is_400(string path)
    {
        await RefusedAsync(UploadAsync("x", "python3", FunctionFiles.Zip(("fn.py", "def fn(i): return 1"), (path, "escaped"))), "archive rejected");
        Assert.False(File.Exists("/tmp/stint-e2e-escaped"));
    }

    [Fact]
    public async Task A_zip_with_a_link_a_device_a_case_clash_or_a_bomb_is_400()
    {
        await RefusedAsync(UploadAsync("x", "python3", WithEntry("passwd", "/etc/passwd", 0xA1FF)), "symbolic link");
        await RefusedAsync(UploadAsync("x", "python3", WithEntry("null", "", 0x21B6)), "device");
        await RefusedAsync(UploadAsync("x", "python3", FunctionFiles.Zip(("fn.py", ""), ("Data", "a"), ("data", "b"))), "upper and lower case");
        await RefusedAsync(UploadAsync("x", "python3", FunctionFiles.Zip(("fn.py", ""), ("bomb", new string('0', 64 << 20)))), "times its size");
        Assert.DoesNotContain("x\n", (await Daemon.ManageAsync("list")).Body, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Daemon.State, "staging")));
    }

    [Fact]
    public async Task An_unknown_function_cannot_be_deleted_or_logged()
    {
        Assert.Equal(404, (await Daemon.ManageAsync("delete", """{"name":"nobody"}""")).Status);
        Assert.Equal(404, (await Daemon.ManageAsync("logs?name=nobody")).Status);
        Assert.Equal(400, (await Daemon.ManageAsync("logs?name=..%2f..%2fetc")).Status);
    }

    [Fact]
    public async Task A_failed_upload_leaves_the_old_version_serving()
    {
        Assert.Equal(200, (await UploadAsync("stays", "python3", FunctionFiles.Zip(("fn.py", "def fn(input): return 'old'\n")))).Status);
        Assert.Equal(400, (await UploadAsync("stays", "python3", FunctionFiles.Zip(("fn.py", "raise Exception('bad')\n")))).Status);
        Assert.Equal((200, "old"), await Daemon.CallAsync("stays"));
    }

    private static byte[] WithEntry(string name, string content, int mode)
    {
        using var bytes = new MemoryStream();
        using (var zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            zip.CreateEntry("fn.py");
            var entry = zip.CreateEntry(name);
            entry.ExternalAttributes = mode << 16;
            using var writer = new StreamWriter(entry.Open());
            writer.Write(content);
        }
        return bytes.ToArray();
    }

    private static async Task RefusedAsync(Task<(int Status, string Body)> request, string says)
    {
        var (status, body) = await request;
        Assert.True(status == 400, $"{status}: {body}");
        Assert.Contains(says, body, StringComparison.Ordinal);
    }

    private Task<(int Status, string Body)> UploadAsync(string name, string env, byte[] zip, string envs = "[]", int threads = 1) =>
        Daemon.ManageAsync("upload", $$"""{"name":"{{name}}","env":"{{env}}","threads":{{threads}},"zip":"{{Convert.ToBase64String(zip)}}","envs":{{envs}}}""");
}
