using Stint.Management;

namespace Stint.Tests.Cli;

public sealed class LogsCommandTests : DaemonTest
{
    private void AddLines() => Daemon.Logs.AddRange(
    [
        new LogLineView { Time = Moment(0), Function = "hello", Stream = "build", Text = "Collecting numpy" },
        new LogLineView { Time = Moment(1), Function = "hello", Instance = "hello-1", Stream = "stdout", Text = "greeting \e[31mWorld\e[0m\r\n[bold]" },
        new LogLineView { Time = Moment(2), Function = "thumbs.images", Instance = "thumbs.images-7", Stream = "stderr", Text = "oh no" },
    ]);

    [Theory]
    [InlineData("logs.txt", "logs")]
    [InlineData("logs.json", "logs", "--json")]
    [InlineData("logs-one.txt", "logs", "hello")]
    public async Task The_output_is_the_golden_one(string golden, params string[] args)
    {
        AddLines();
        Assert.Equal(0, await Cli.RunAsync(args));
        GoldenFile.Check(golden, Cli.Out);
    }

    [Fact]
    public async Task The_daemon_is_asked_for_what_was_wanted()
    {
        Assert.Equal(0, await Cli.RunAsync("logs", "thumbs.images", "--tail", "5"));
        Assert.Equal("GET /stint/v1/logs?name=thumbs.images&tail=5", Daemon.Requests.Single());
    }

    [Fact]
    public async Task A_terminal_gets_colours_of_ours_and_none_of_theirs()
    {
        AddLines();
        Cli.Terminal = true;
        Assert.Equal(0, await Cli.RunAsync("logs"));
        Assert.Contains("\e[31moh no\e[0m", Cli.Out, StringComparison.Ordinal);
        Assert.Contains("greeting World\uFFFD\uFFFD[bold]", Cli.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Following_ends_with_the_interrupt_and_leaves_the_daemon()
    {
        AddLines();
        using var interrupt = new CancellationTokenSource();
        var running = Cli.RunAsync(interrupt.Token, "logs", "-f");
        await Wait.UntilAsync(() => Cli.Out.Contains("oh no", StringComparison.Ordinal));
        Assert.False(running.IsCompleted);
        await interrupt.CancelAsync();
        Assert.Equal(0, await running);
        await Daemon.FollowerLeft.Task.WaitAsync(Wait.Limit);
    }
}
