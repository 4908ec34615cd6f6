using System.Text.Json;
using Stint.Management;

namespace Stint.Tests.Cli;

public sealed class ListingCommandsTests : DaemonTest
{
    [Theory]
    [InlineData("ls.txt", "ls")]
    [InlineData("ls.json", "ls", "--json")]
    [InlineData("describe.txt", "describe", "hello")]
    [InlineData("describe-broken.txt", "describe", "thumbs.images")]
    [InlineData("describe-failing.txt", "describe", "flaky")]
    [InlineData("describe.json", "describe", "hello", "--json")]
    public async Task The_output_is_the_golden_one(string golden, params string[] args)
    {
        Daemon.Functions.AddRange(Examples);
        if (args.Contains("flaky")) Daemon.Functions.Add(Failing);
        Assert.Equal(0, await Cli.RunAsync(args));
        Assert.Equal("", Cli.Error);
        GoldenFile.Check(golden, Cli.Out);
    }

    [Fact]
    public async Task A_terminal_gets_a_drawn_table()
    {
        Cli.Terminal = true;
        Daemon.Functions.AddRange(Examples);
        Assert.Equal(0, await Cli.RunAsync("describe", "hello"));
        Assert.Contains("╭", Cli.Out, StringComparison.Ordinal);
        Assert.Contains("\e[", Cli.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--no-color", null, null)]
    [InlineData(null, "NO_COLOR", "1")]
    [InlineData(null, "TERM", "dumb")]
    public async Task Colours_can_be_refused(string? flag, string? variable, string? value)
    {
        Cli.Terminal = true;
        if (variable is not null) Cli.Variables[variable] = value!;
        Daemon.Functions.AddRange(Examples);
        Assert.Equal(0, await Cli.RunAsync(flag is null ? ["ls"] : ["ls", flag]));
        Assert.DoesNotContain('\e', Cli.Out);
        Assert.Contains("hello", Cli.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_platform_says_how_to_begin()
    {
        Assert.Equal(0, await Cli.RunAsync("ls"));
        Assert.Contains("stint new python3 hello", Cli.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Hostile_text_does_not_reach_the_terminal(bool terminal)
    {
        Cli.Terminal = terminal;
        Daemon.Functions.Add(new FunctionDetailView { Name = "x\e]0;owned\a[red]", Runtime = "\e[2Jpython3", State = "\u202Eready\r", Problems = ["a\nb\e[31m"], Labels = new Dictionary<string, string> { ["\b"] = "\u009B1m" } });
        Assert.Equal(0, await Cli.RunAsync("ls", "--no-color"));
        Assert.DoesNotContain(Cli.Out, c => char.IsControl(c) && c is not '\n');
        Assert.DoesNotContain('\u202E', Cli.Out);
        Assert.Contains("x[red]", Cli.Out, StringComparison.Ordinal);
        Assert.Contains("x[red]: a\uFFFDb\n", Cli.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hostile_text_in_a_coloured_table_is_text()
    {
        Cli.Terminal = true;
        Daemon.Functions.Add(Examples[0] with { InstanceList = [new() { Id = "x\e]0;owned\a[red]", State = "[bold]\e[2J" }] });
        Assert.Equal(0, await Cli.RunAsync("describe", "hello"));
        Assert.Contains("╭", Cli.Out, StringComparison.Ordinal);
        Assert.DoesNotContain('\a', Cli.Out);
        Assert.DoesNotContain("\e]", Cli.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("\e[2J", Cli.Out, StringComparison.Ordinal);
        Assert.Contains("[bold]", Cli.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_that_does_not_fit_is_plain_columns()
    {
        Cli.Terminal = true;
        Cli.Width = 80;
        Daemon.Functions.AddRange(Examples);
        Assert.Equal(0, await Cli.RunAsync("ls"));
        Assert.StartsWith("NAME           RUNTIME  STATE", Cli.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_keeps_hostile_text_but_escaped()
    {
        Daemon.Functions.Add(new FunctionDetailView { Name = "x\e[31m", State = "ready" });
        Assert.Equal(0, await Cli.RunAsync("ls", "--json"));
        Assert.DoesNotContain('\e', Cli.Out);
        Assert.Equal("x\e[31m", JsonDocument.Parse(Cli.Out).RootElement.GetProperty("functions")[0].GetProperty("name").GetString());
    }

    [Fact]
    public async Task Removing_goes_on_after_one_that_is_not_there()
    {
        Daemon.Functions.AddRange(Examples);
        Assert.Equal(1, await Cli.RunAsync("rm", "nobody", "hello", "thumbs.images"));
        Assert.Empty(Daemon.Functions);
        Assert.Equal("removed hello\nremoved thumbs.images\n", Cli.Out);
        Assert.Equal("stint: nobody: there is no function 'nobody'\n", Cli.Error);
    }

    [Theory]
    [InlineData("y\n", 0, 0)]
    [InlineData("YES\n", 0, 0)]
    [InlineData("\n", 1, 2)]
    [InlineData("", 1, 2)]
    public async Task Wiping_asks_a_person(string answer, int exitCode, int left)
    {
        Cli.Terminal = true;
        Cli.Input = answer;
        Daemon.Functions.AddRange(Examples);
        Assert.Equal(exitCode, await Cli.RunAsync("wipe"));
        Assert.Equal(left, Daemon.Functions.Count);
        Assert.Contains("Remove 2 functions from", Cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wiping_without_a_person_wants_yes()
    {
        Daemon.Functions.AddRange(Examples);
        Assert.Equal(2, await Cli.RunAsync("wipe"));
        Assert.Equal(2, Daemon.Functions.Count);
        Assert.Equal(0, await Cli.RunAsync("wipe", "--yes"));
        Assert.Equal("removed 2 functions\n", Cli.Out);
    }
}
