using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using Stint.Cli;

namespace Stint.Tests.Cli;

/// <summary>Each way to fail has its exit code and its sentence.</summary>
public sealed class FailuresTests : DaemonTest
{
    private static string UnusedAddress()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return $"http://{listener.LocalEndpoint}";
    }

    [Theory]
    [InlineData("ls")]
    [InlineData("describe", "x")]
    [InlineData("logs")]
    [InlineData("rm", "x")]
    [InlineData("wipe", "--yes")]
    [InlineData("invoke", "x")]
    public async Task Without_a_daemon_every_command_says_how_to_start_one(params string[] args)
    {
        var nobody = UnusedAddress();
        Assert.Equal(ExitCode.Unreachable, await Cli.RunAsync([.. args, "--management", nobody]));
        Assert.Equal($"stint: no daemon answers at {nobody}. Start one with 'stint up', or name another with --management.\n", Cli.Error);
    }

    [Theory]
    [InlineData("ls")]
    [InlineData("logs")]
    [InlineData("rm", "x")]
    public async Task A_wrong_token_is_not_permitted(params string[] args)
    {
        Daemon.Token = "right";
        Assert.Equal(ExitCode.Denied, await Cli.RunAsync(args));
        Assert.Contains("wants a token and this one is not it", Cli.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", Cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_token_comes_from_flag_file_or_environment_in_that_order()
    {
        Daemon.Token = "right";
        var file = Cli.Write("token", "right\n");
        Assert.Equal(0, await Cli.RunAsync("ls", "--token", "right"));
        Assert.Equal(0, await Cli.RunAsync("ls", "--token-file", file));
        Assert.Equal(ExitCode.Denied, await Cli.RunAsync("ls", "--token-file", file, "--token", "wrong"));
        Cli.Variables["STINT_TOKEN"] = "right";
        Assert.Equal(0, await Cli.RunAsync("ls"));
    }

    [Fact]
    public void The_token_file_of_this_machine_is_not_shown_to_another()
    {
        Cli.Variables.Remove("STINT_TOKEN");
        Assert.Null(GlobalOptions.AmbientToken(Cli.Session, new Uri("http://edge.example:8080")));
    }

    [Fact]
    public async Task A_token_file_that_is_not_there_is_named()
    {
        Assert.Equal(1, await Cli.RunAsync("ls", "--token-file", "nowhere"));
        Assert.Contains(Path.Combine(Cli.Folder, "nowhere"), Cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_that_is_none_is_bad_configuration()
    {
        Cli.Variables["STINT_TOKEN"] = "a\nb";
        Assert.Equal(ExitCode.BadConfiguration, await Cli.RunAsync("ls"));
        Assert.Contains("STINT_TOKEN holds no token", Cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Forbidden_is_not_permitted()
    {
        Daemon.Instead = context => PlayedDaemon.RefuseAsync(context, HttpStatusCode.Forbidden, "forbidden", "functions may not\e[31m do this");
        Assert.Equal(ExitCode.Denied, await Cli.RunAsync("ls"));
        Assert.Equal("stint: functions may not do this\n", Cli.Error);
    }

    [Theory]
    [InlineData(404, "text")]
    [InlineData(200, "<html>")]
    [InlineData(200, "null")]
    [InlineData(500, "")]
    [InlineData(302, "")]
    public async Task Another_server_is_recognised(int status, string body)
    {
        Daemon.Instead = context =>
        {
            context.Response.StatusCode = status;
            return context.Response.WriteAsync(body);
        };
        Assert.Equal(1, await Cli.RunAsync("ls"));
        Assert.Contains("answers, but not like a Stint daemon", Cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_breaks_is_reported()
    {
        Daemon.Instead = context =>
        {
            context.Abort();
            return Task.CompletedTask;
        };
        Assert.Equal(1, await Cli.RunAsync("ls"));
        Assert.Contains("broke off", Cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_function_fails()
    {
        Assert.Equal(1, await Cli.RunAsync("describe", "nobody"));
        Assert.Equal("stint: there is no function 'nobody'\n", Cli.Error);
    }

    [Fact]
    public async Task An_interrupt_ends_a_command_that_waits()
    {
        var asked = new TaskCompletionSource();
        Daemon.Instead = context =>
        {
            asked.TrySetResult();
            return Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        };
        using var interrupt = new CancellationTokenSource();
        var running = Cli.RunAsync(interrupt.Token, "ls");
        await asked.Task.WaitAsync(Wait.Limit);
        await interrupt.CancelAsync();
        Assert.Equal(ExitCode.Interrupted, await running.WaitAsync(Wait.Limit));
    }

    [Fact]
    public async Task A_daemon_on_IPv6_is_reached()
    {
        await using var other = await PlayedDaemon.StartAsync("http://[::1]:0");
        Assert.Equal(0, await Cli.RunAsync("ls", "--management", other.Url.Replace("http://", "", StringComparison.Ordinal)));
        Assert.Single(other.Requests);
    }
}
