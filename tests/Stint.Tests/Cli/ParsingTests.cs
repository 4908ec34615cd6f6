using Stint.Cli;

namespace Stint.Tests.Cli;

public sealed class ParsingTests : IDisposable
{
    private readonly PlayedCli _cli = new();

    public void Dispose() => _cli.Dispose();

    [Theory]
    [InlineData("frob")]
    [InlineData("ls", "extra")]
    [InlineData("describe")]
    [InlineData("describe", "no/name")]
    [InlineData("rm")]
    [InlineData("rm", "a", "b c")]
    [InlineData("logs", "a..b")]
    [InlineData("logs", "--tail", "-1")]
    [InlineData("logs", "--tail", "many")]
    [InlineData("deploy")]
    [InlineData("deploy", ".", "--memory", "lots")]
    [InlineData("deploy", ".", "--memory", "-1")]
    [InlineData("deploy", ".", "--cpus", "NaN")]
    [InlineData("deploy", ".", "--env", "A")]
    [InlineData("deploy", ".", "--env", "=A")]
    [InlineData("deploy", ".", "--name", "a.b")]
    [InlineData("deploy", ".", "--runtime", "cobol")]
    [InlineData("invoke")]
    [InlineData("invoke", "a", "-H", "nocolon")]
    [InlineData("invoke", "a", "-X", "GE T")]
    [InlineData("invoke", "a", "--endpoint", "ftp://x")]
    [InlineData("new", "cobol", "x")]
    [InlineData("new", "python3", "../x")]
    [InlineData("new", "python3")]
    [InlineData("completion", "tcsh")]
    [InlineData("up", "--http-port", "eighty")]
    [InlineData("up", "--http-port", "70000")]
    [InlineData("up", "--listen", "somewhere")]
    [InlineData("up", "--isolation", "some")]
    [InlineData("up", "--frob")]
    [InlineData("up", "-l", "loud")]
    [InlineData("ls", "--management", "gopher://x")]
    public async Task A_wrong_command_line_exits_with_2(params string[] args)
    {
        Assert.Equal(ExitCode.Usage, await _cli.RunAsync(args));
        Assert.StartsWith("stint: ", _cli.Error, StringComparison.Ordinal);
        Assert.Contains("--help'.", _cli.Error, StringComparison.Ordinal);
        Assert.Equal("", _cli.Out);
    }

    [Theory]
    [InlineData("frob", "")]
    [InlineData("delpoy", " Did you mean 'deploy'?")]
    [InlineData("log", " Did you mean 'logs'?")]
    public async Task An_unknown_command_is_named_with_the_nearest(string typed, string suggestion)
    {
        Assert.Equal(ExitCode.Usage, await _cli.RunAsync(typed));
        Assert.Equal($"stint: there is no command '{typed}'.{suggestion}\nTry 'stint --help'.\n", _cli.Error);
    }

    [Fact]
    public async Task Hostile_arguments_do_not_reach_the_terminal()
    {
        Assert.Equal(ExitCode.Usage, await _cli.RunAsync("describe", "\e[31mx"));
        Assert.DoesNotContain('\e', _cli.Error);
    }

    [Fact]
    public async Task Up_gets_its_flags_by_their_names_in_the_file()
    {
        IReadOnlyDictionary<string, string>? seen = null;
        var examples = false;
        _cli.Up = (flags, withExamples, _) =>
        {
            (seen, examples) = (flags, withExamples);
            return Task.FromResult(42);
        };
        Assert.Equal(42, await _cli.RunAsync("up", "--examples", "--config", "my.toml", "--http-port", "-1", "--insecure", "--isolation", "none", "--token-file", "t", "--listen", "::1,127.0.0.1"));
        Assert.True(examples);
        Assert.Equal(new Dictionary<string, string>
        {
            ["config"] = "my.toml", ["http-port"] = "-1", ["insecure"] = "true", ["isolation"] = "none", ["token-file"] = "t", ["listen"] = "::1,127.0.0.1",
        }, seen);
        Assert.Equal(42, await _cli.RunAsync("up", "-r", "functions", "-l", "debug"));
        Assert.Equal(new Dictionary<string, string> { ["registry"] = "functions", ["log-level"] = "debug" }, seen);
        Assert.Equal(42, await _cli.RunAsync("up"));
        Assert.Empty(seen!);
        Assert.False(examples);
    }

    [Fact]
    public async Task Up_is_cancelled_by_the_interrupt()
    {
        using var interrupt = new CancellationTokenSource();
        _cli.Up = async (_, _, cancellationToken) =>
        {
            await interrupt.CancelAsync();
            return cancellationToken.IsCancellationRequested ? 0 : 1;
        };
        Assert.Equal(0, await _cli.RunAsync(interrupt.Token, "up"));
    }

    [Fact]
    public async Task Bad_configuration_of_the_daemon_is_a_line_and_no_stack_trace()
    {
        _cli.Up = (_, _, _) => throw new CliException("stint.toml, line 1: http-port must be -1 to 65535, not 99999.", ExitCode.BadConfiguration);
        Assert.Equal(78, await _cli.RunAsync("up"));
        Assert.Equal("stint: stint.toml, line 1: http-port must be -1 to 65535, not 99999.\n", _cli.Error);
    }

    [Fact]
    public async Task An_address_in_the_environment_that_is_none_is_bad_configuration()
    {
        _cli.Variables["STINT_MANAGEMENT"] = "gopher://x";
        Assert.Equal(ExitCode.BadConfiguration, await _cli.RunAsync("ls"));
        Assert.Contains("STINT_MANAGEMENT is 'gopher://x'", _cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_arguments_there_is_help()
    {
        Assert.Equal(0, await _cli.RunAsync());
        foreach (var command in (string[])["up", "deploy", "invoke", "ls", "describe", "top", "logs", "notify", "rm", "wipe", "new", "doctor", "version", "completion"])
            Assert.Contains($"\n  {command} ", _cli.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_version_is_printed_for_people_and_programs()
    {
        Assert.Equal(0, await _cli.RunAsync("version"));
        Assert.Matches(@"^stint \d+\.\d+\.\d+ \(\.NET .+, .+\)\n$", _cli.Out);
        Assert.Equal(0, await _cli.RunAsync("version", "--json"));
        Assert.Contains("\"version\": \"", _cli.Out, StringComparison.Ordinal);
    }
}
