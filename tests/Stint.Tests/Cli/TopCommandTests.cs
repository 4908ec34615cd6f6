using System.Text.Json;
using Stint.Cli;
using Stint.Management;
using Stint.Telemetry;

namespace Stint.Tests.Cli;

public sealed class TopCommandTests : DaemonTest
{
    // Calls in the buckets up to 1 ms, 2.5 ms and 5 ms.
    private static TopView View(int second, long quick = 0, long slow = 0, DateTimeOffset? started = null) => new()
    {
        Time = Moment(second), StartedAt = started ?? Moment(-3600), Instances = 3, InstanceBudget = 500, MemoryPromisedBytes = 768L << 20, MemoryBudgetBytes = 12L << 30,
        DurationBounds = [0.001, 0.0025, 0.005],
        Functions =
        [
            new() { Name = "hello", State = "ready", Instances = new(1, 1, 1, 0), Queue = 3, Requests = 100 + quick + slow, Errors = 1 + slow, ColdStarts = 2 + slow / 2, Durations = [100 + quick, 0, slow, 0], MemoryBytes = 30 << 20 },
            new() { Name = "idle", State = "ready", Durations = [0, 0, 0, 0] },
            new() { Name = "thumbs.images", State = "broken", Why = "function.toml:3:1: unknown key 'memroy'", Durations = [] },
        ],
    };

    [Fact]
    public async Task Once_prints_what_happened_in_one_interval()
    {
        Daemon.Tops.AddRange([View(0), View(10, quick: 90, slow: 10)]);
        Assert.Equal(0, await Cli.RunAsync("top", "--once", "--interval", "0.1"));
        Assert.Equal("", Cli.Error);
        GoldenFile.Check("top.txt", Cli.Out);
    }

    [Fact]
    public async Task Json_is_one_line_for_programs()
    {
        Daemon.Tops.AddRange([View(0), View(10, quick: 90, slow: 10)]);
        Assert.Equal(0, await Cli.RunAsync("top", "--once", "--json", "--interval", "0.1"));
        GoldenFile.Check("top.json", Cli.Out);
        Assert.Equal(10, JsonDocument.Parse(Assert.Single(Cli.Out.TrimEnd().Split('\n'))).RootElement.GetProperty("functions")[0].GetProperty("callsPerSecond").GetDouble());
    }

    [Fact]
    public async Task Printed_again_and_again_without_a_terminal_until_Ctrl_C()
    {
        Daemon.Tops.AddRange([View(0), View(1, quick: 5), View(2, quick: 10)]);
        using var interrupt = new CancellationTokenSource();
        var running = Cli.RunAsync(interrupt.Token, "top", "--json", "--interval", "0.1");
        await Wait.UntilAsync(() => Daemon.Asked("top") >= 4);
        await interrupt.CancelAsync();
        Assert.Equal(0, await running);
        Assert.Equal([5.0, 5.0], Cli.Out.Split('\n').Take(2).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("functions")[0].GetProperty("callsPerSecond").GetDouble()));
    }

    [Fact]
    public async Task A_terminal_is_taken_over_and_given_back_after_q()
    {
        using var pressed = new SemaphoreSlim(0);
        (Cli.Terminal, Cli.Height) = (true, 24);
        Cli.ReadKey = () =>
        {
            pressed.Wait();
            return 'q';
        };
        Daemon.Tops.AddRange([View(0), View(2, quick: 100)]);
        var running = Cli.RunAsync("top", "--interval", "0.1");
        await Wait.UntilAsync(() => Daemon.Asked("top") >= 3);
        pressed.Release();
        Assert.Equal(0, await running);
        Assert.StartsWith("\e[?1049h\e[?25l\e[H", Cli.Out, StringComparison.Ordinal);
        Assert.EndsWith("\e[J\e[?25h\e[?1049l", Cli.Out, StringComparison.Ordinal);
        Assert.Contains("╭", Cli.Out, StringComparison.Ordinal);
        Assert.All(Cli.Out.Split("\e[H")[1..], frame => Assert.InRange(frame.Count(c => c == '\n'), 1, 23));
    }

    [Fact]
    public async Task A_daemon_that_goes_away_is_waited_for()
    {
        using var pressed = new SemaphoreSlim(0);
        (Cli.Terminal, Cli.ReadKey) = (true, () =>
        {
            pressed.Wait();
            return 'q';
        });
        Daemon.Tops.Add(View(0));
        var running = Cli.RunAsync("top", "--interval", "0.1");
        await Wait.UntilAsync(() => Daemon.Asked("top") >= 1);
        Daemon.Instead = static context =>
        {
            context.Abort();
            return Task.CompletedTask;
        };
        var before = Daemon.Asked("top");
        await Wait.UntilAsync(() => Daemon.Asked("top") >= before + 3);
        Daemon.Instead = null;
        await Wait.UntilAsync(() => Daemon.Asked("top") >= before + 6);
        pressed.Release();
        Assert.Equal(0, await running);
        Assert.Contains("No answer, what follows is old", Cli.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("No answer", Cli.Out[Cli.Out.LastIndexOf("\e[H", StringComparison.Ordinal)..], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_terminal_that_can_only_print_gets_no_sequences()
    {
        (Cli.Terminal, Cli.Variables["TERM"]) = (true, "dumb");
        using var interrupt = new CancellationTokenSource();
        Daemon.Tops.Add(View(0));
        var running = Cli.RunAsync(interrupt.Token, "top", "--interval", "0.1");
        await Wait.UntilAsync(() => Daemon.Asked("top") >= 4);
        await interrupt.CancelAsync();
        Assert.Equal(0, await running);
        Assert.DoesNotContain('\e', Cli.Out);
        Assert.Contains("hello", Cli.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("soon")]
    [InlineData("1e9")]
    public async Task An_interval_that_makes_no_sense_is_refused(string interval)
    {
        Assert.Equal(ExitCode.Usage, await Cli.RunAsync("top", "--interval", interval));
        Assert.Contains("--interval wants seconds, 0.1 to 3600", Cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hostile_text_does_not_reach_the_terminal()
    {
        Daemon.Tops.Add(View(0) with { Functions = [new() { Name = "x\e]0;owned\a[red]", State = "\e[2Jready", Why = "a\n\u202Eb\r" }] });
        Assert.Equal(0, await Cli.RunAsync("top", "--once", "--interval", "0.1"));
        Assert.DoesNotContain(Cli.Out, static c => char.IsControl(c) && c is not '\n');
        Assert.DoesNotContain('\u202E', Cli.Out);
    }

    [Fact]
    public void Only_the_busiest_functions_that_fit_are_shown()
    {
        var many = View(0) with { Functions = [.. Enumerable.Range(0, 100).Select(i => new TopFunctionView { Name = $"f{i}", State = "ready", Requests = i })] };
        var lines = TopFrame.Render(Cli.Session, TopReport.Between(null, many), "here", 24);
        Assert.InRange(lines.Count, 10, 24);
        Assert.Contains(lines, static line => line.StartsWith("f99 ", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, static line => line.StartsWith("f0 ", StringComparison.Ordinal));
        Assert.Contains(lines, static line => line.EndsWith("quieter functions", StringComparison.Ordinal));
    }

    [Fact]
    public void A_restarted_daemon_and_a_redeployed_function_count_anew()
    {
        var restarted = TopReport.Between(View(0, quick: 500), View(10, started: Moment(0)));
        Assert.Equal(10, restarted.Functions[0].CallsPerSecond);
        var redeployed = TopReport.Between(View(0, quick: 500), View(10));
        Assert.Equal(10, redeployed.Functions[0].CallsPerSecond);
    }

    [Fact]
    public void Quantiles_are_those_of_the_interval_alone()
    {
        var report = TopReport.Between(View(0), View(10, slow: 10));
        Assert.Equal(0.00375, report.Functions[0].P50Seconds!.Value, 6);
        Assert.Null(TopReport.Between(View(0), View(10)).Functions[0].P50Seconds);
        Assert.Null(Histogram.Quantile([], [1], 0.5));
    }
}
