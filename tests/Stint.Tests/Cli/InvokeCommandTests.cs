using Microsoft.AspNetCore.Http;
using Stint.Cli;

namespace Stint.Tests.Cli;

public sealed class InvokeCommandTests : DaemonTest
{
    [Fact]
    public async Task The_answer_is_printed_as_it_is()
    {
        Assert.Equal(0, await Cli.RunAsync("invoke", "hello", "-d", "grüß dich"));
        Assert.Equal("grüß dich", Cli.Out);
        Assert.Equal(["GET /stint/v1/info", "POST /hello"], Daemon.Requests);
        Assert.Equal("text/plain; charset=utf-8", Daemon.LastHeaders["Content-Type"]);
    }

    [Fact]
    public async Task Bytes_pass_unchanged_and_as_they_come()
    {
        var bytes = Enumerable.Range(0, 300_000).Select(i => (byte)i).ToArray();
        var halfRead = new TaskCompletionSource();
        Daemon.Call = async context =>
        {
            await context.Response.Body.WriteAsync(bytes.AsMemory(0, 1000));
            await context.Response.Body.FlushAsync();
            await halfRead.Task;
            await context.Response.Body.WriteAsync(bytes.AsMemory(1000));
        };
        var running = Cli.RunAsync("invoke", "hello");
        await Wait.UntilAsync(() => Cli.Bytes.Length == 1000);
        halfRead.SetResult();
        Assert.Equal(0, await running);
        Assert.Equal(bytes, Cli.Bytes);
    }

    [Fact]
    public async Task Data_comes_from_a_file_or_standard_input()
    {
        Cli.Write("in.bin", "from a file");
        Assert.Equal(0, await Cli.RunAsync("invoke", "hello", "-d", "@in.bin"));
        Assert.Equal("application/octet-stream", Daemon.LastHeaders["Content-Type"]);
        Cli.Input = ", from input";
        Assert.Equal(0, await Cli.RunAsync("invoke", "hello", "-d", "-"));
        Assert.Equal("from a file, from input", Cli.Out);
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_named()
    {
        Assert.Equal(1, await Cli.RunAsync("invoke", "hello", "-d", "@nowhere"));
        Assert.Contains("nowhere", Cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Method_headers_path_and_query_are_the_callers()
    {
        Assert.Equal(0, await Cli.RunAsync("invoke", "fn.shop", "-X", "put", "-H", "Accept: text/html", "-H", "Content-Type: application/json", "-H", "X-A: b: c",
            "--path", "/a%20b/c", "--query", "x=1&y=%2F"));
        Assert.Equal("PUT /fn.shop/a%20b/c?x=1&y=%2F", Daemon.Requests[1].Replace(" b/", "%20b/", StringComparison.Ordinal));
        Assert.Equal(("text/html", "application/json", "b: c"), (Daemon.LastHeaders["Accept"], Daemon.LastHeaders["Content-Type"], Daemon.LastHeaders["X-A"]));
    }

    [Fact]
    public async Task An_asynchronous_call_prints_its_id()
    {
        Daemon.Call = context =>
        {
            context.Response.StatusCode = 202;
            context.Response.Headers["X-Call-Id"] = "c-17";
            return Task.CompletedTask;
        };
        Assert.Equal(0, await Cli.RunAsync("invoke", "hello", "--async"));
        Assert.Equal("true", Daemon.LastHeaders["X-tinyFaaS-Async"]);
        Assert.Equal("c-17\n", Cli.Out);
    }

    [Theory]
    [InlineData(404, "no such function", "stint: hello answered 404 Not Found: no such function\n")]
    [InlineData(500, "division by \e[31mzero\n", "stint: hello answered 500 Internal Server Error: division by zero\n")]
    [InlineData(503, "", "stint: hello answered 503 Service Unavailable: (no text)\n")]
    public async Task A_failed_call_exits_with_1_and_says_why(int status, string body, string said)
    {
        Daemon.Call = context =>
        {
            context.Response.StatusCode = status;
            return context.Response.WriteAsync(body);
        };
        Assert.Equal(1, await Cli.RunAsync("invoke", "hello"));
        Assert.Equal("", Cli.Out);
        Assert.Equal(said, Cli.Error);
    }

    [Fact]
    public async Task Status_and_headers_are_shown_on_request()
    {
        Daemon.Call = context =>
        {
            context.Response.StatusCode = 418;
            context.Response.Headers.Date = "Sat, 01 Aug 2026 12:00:00 GMT";
            context.Response.Headers["X-Pot"] = "short and stout";
            return context.Response.WriteAsync("tea");
        };
        Assert.Equal(1, await Cli.RunAsync("invoke", "hello", "-i"));
        GoldenFile.Check("invoke-head.txt", Cli.Out);
    }

    [Fact]
    public async Task An_endpoint_can_be_named_without_any_management()
    {
        Cli.Variables["STINT_MANAGEMENT"] = "http://127.0.0.1:1";
        Assert.Equal(0, await Cli.RunAsync("invoke", "hello", "-d", "x", "--endpoint", Daemon.Url));
        Assert.Equal(["POST /hello"], Daemon.Requests);
        Assert.Equal(ExitCode.Unreachable, await Cli.RunAsync("invoke", "hello", "--endpoint", "127.0.0.1:1"));
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_a_failure()
    {
        Daemon.Call = async context =>
        {
            await context.Response.WriteAsync("half");
            await context.Response.Body.FlushAsync();
            context.Abort();
        };
        Assert.Equal(1, await Cli.RunAsync("invoke", "hello"));
        Assert.Contains("the call of hello broke off", Cli.Error, StringComparison.Ordinal);
    }
}
