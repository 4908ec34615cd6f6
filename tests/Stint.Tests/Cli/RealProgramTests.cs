using System.Diagnostics;

namespace Stint.Tests.Cli;

/// <summary>The executable itself: completion in real shells, signals, pipes.</summary>
public sealed class RealProgramTests : DaemonTest
{
    private static string Program => Path.Combine(AppContext.BaseDirectory, "stint");

    private async Task<(int ExitCode, string Out, string Error)> RunAsync(string program, params string[] args)
    {
        using var process = Start(program, args);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Wait.Limit);
        return (process.ExitCode, await output, await error);
    }

    private Process Start(string program, params string[] args)
    {
        var start = new ProcessStartInfo(program, args) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Cli.Folder };
        start.Environment["STINT_MANAGEMENT"] = Daemon.Url;
        start.Environment["PATH"] = $"{AppContext.BaseDirectory}:{start.Environment["PATH"]}";
        return Process.Start(start)!;
    }

    [Theory]
    [InlineData("stint de", "deploy describe")]
    [InlineData("stint  inv", "invoke")]
    [InlineData("stint describe h", "hello")]
    [InlineData("stint logs thu", "thumbs.images")]
    [InlineData("stint deploy . --max", "--max-instances")]
    [InlineData("stint new py", "python3")]
    [InlineData("stint up --isolation s", "sandbox")]
    public async Task Bash_completes_commands_options_values_and_functions(string line, string expected)
    {
        Daemon.Functions.AddRange(Examples);
        var script = $$"""
            set -u
            source <(stint completion bash)
            COMP_LINE='{{line}}'; COMP_POINT=${#COMP_LINE}; COMP_WORDS=($COMP_LINE); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _stint
            echo "${COMPREPLY[*]}"
            """;
        var (exitCode, output, error) = await RunAsync("bash", "--norc", "-c", script);
        // Functions' names are left out when the daemon takes too long, and on a busy machine it may.
        for (var attempt = 0; attempt < 20 && output.Trim().Length == 0; attempt++) (exitCode, output, error) = await RunAsync("bash", "--norc", "-c", script);
        Assert.Equal((0, expected, ""), (exitCode, output.Trim(), error));
    }

    [Fact]
    public async Task Bash_accepts_its_script()
    {
        var (_, script, _) = await RunAsync(Program, "completion", "bash");
        Assert.Equal((0, "", ""), await RunAsync("bash", "-n", Cli.Write("completion", script)));
    }

    [Theory]
    [InlineData("zsh", "#compdef stint")]
    [InlineData("fish", "complete -c stint")]
    public async Task Other_shells_have_theirs(string shell, string part)
    {
        var (exitCode, script, _) = await RunAsync(Program, "completion", shell);
        Assert.Equal(0, exitCode);
        Assert.Contains(part, script, StringComparison.Ordinal);
        // Checked by the shell itself where it is installed; the script asks the program as bash's does.
        if (Stint.Checks.Tool.Find(shell) is { } program)
        {
            var (accepted, _, error) = await RunAsync(program, "-n", Cli.Write("completion", script));
            Assert.Equal((0, ""), (accepted, error));
        }
    }

    [Fact]
    public async Task Fish_completes_where_it_is_installed()
    {
        if (Stint.Checks.Tool.Find("fish") is not { } fish) return;
        Daemon.Functions.AddRange(Examples);
        var (_, output, _) = await RunAsync(fish, "-c", "stint completion fish | source; complete -C 'stint de'; complete -C 'stint describe h'; complete -C 'stint deploy . --max'");
        Assert.Equal(["deploy", "describe", "hello", "--max-instances"], output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Ctrl_C_ends_following_a_log()
    {
        Daemon.Logs.Add(new Stint.Management.LogLineView { Time = Moment(0), Function = "hello", Stream = "stdout", Text = "line" });
        using var process = Start(Program, "logs", "-f");
        Assert.Contains("line", await process.StandardOutput.ReadLineAsync(), StringComparison.Ordinal);
        using (var kill = Process.Start("kill", ["-INT", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)])) await kill.WaitForExitAsync();
        await process.WaitForExitAsync().WaitAsync(Wait.Limit);
        Assert.Equal(0, process.ExitCode);
        await Daemon.FollowerLeft.Task.WaitAsync(Wait.Limit);
    }

    [Theory]
    [InlineData("q", "xterm-256color", true)]
    [InlineData("\u0003", "xterm-256color", true)]
    [InlineData("\u0003", "dumb", false)]
    public async Task Top_gives_the_terminal_back_as_it_was(string key, string term, bool takesScreen)
    {
        Daemon.Tops.Add(new Stint.Management.TopView { Functions = [new() { Name = "hello", State = "ready" }] });
        // Ctrl-C reaches the shell as well; some shells (dash) die of it without a trap.
        var start = new ProcessStartInfo("script", ["-qfec", "trap : INT; stty -a > before; stint top --interval 0.1; echo code $?; stty -a > after", "/dev/null"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, WorkingDirectory = Cli.Folder,
        };
        start.Environment["STINT_MANAGEMENT"] = Daemon.Url;
        start.Environment["PATH"] = $"{AppContext.BaseDirectory}:{start.Environment["PATH"]}";
        start.Environment["TERM"] = term;
        start.Environment.Remove("NO_COLOR");
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        await Wait.UntilAsync(() => Daemon.Asked("top") >= 3);
        await process.StandardInput.WriteAsync(key);
        await process.StandardInput.FlushAsync();
        await process.WaitForExitAsync().WaitAsync(Wait.Limit);
        var seen = await output;
        Assert.Contains("code 0", seen, StringComparison.Ordinal);
        Assert.Contains("hello", seen, StringComparison.Ordinal);
        Assert.Equal(takesScreen, seen.Contains("\e[?1049h", StringComparison.Ordinal));
        Assert.Equal(takesScreen, seen.Contains("\e[?25h\e[?1049l", StringComparison.Ordinal));
        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(Cli.Folder, "before")), await File.ReadAllTextAsync(Path.Combine(Cli.Folder, "after")));
    }

    [Fact]
    public async Task A_reader_that_has_seen_enough_is_no_error()
    {
        for (var i = 0; i < 20_000; i++) Daemon.Logs.Add(new Stint.Management.LogLineView { Function = "hello", Stream = "stdout", Text = "a line that fills the pipe" });
        var (exitCode, output, error) = await RunAsync("bash", "-c", "set -o pipefail; stint logs | head -n 1");
        Assert.Equal("", error);
        Assert.Equal(0, exitCode);
        Assert.Single(output.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task Output_that_is_no_terminal_has_no_colours()
    {
        Daemon.Functions.AddRange(Examples);
        var (exitCode, output, _) = await RunAsync(Program, "ls");
        Assert.Equal(0, exitCode);
        Assert.DoesNotContain('\e', output);
        Assert.Contains("hello", output, StringComparison.Ordinal);
    }
}
