using System.Diagnostics;
using System.Net;
using Stint.Cli;

namespace Stint.Tests.Cli;

public sealed class DeployCommandTests : DaemonTest
{
    private List<string> Entries()
    {
        using var code = Daemon.UploadedCode();
        return code.Entries.Select(entry => entry.FullName).ToList();
    }

    [Fact]
    public async Task A_function_folder_is_sent_as_it_is()
    {
        Cli.Write("hello/function.toml", "timeout = 5\n[process]\nruntime = \"python3\"\n");
        Cli.Write("hello/code/fn.py", "def fn(input, headers): return input\n");
        Cli.Write("hello/code/lib/a.py", "");
        Cli.Write("hello/README.md", "not code");
        Assert.Equal(0, await Cli.RunAsync("deploy", "hello"));
        Assert.Equal("PUT /stint/v1/functions/hello", Daemon.Requests.Single());
        Assert.Equal("timeout = 5\n[process]\nruntime = \"python3\"\n", Daemon.UploadedToml());
        Assert.Equal(["fn.py", "lib/a.py"], Entries());
        Assert.Equal("", Cli.Error);
        GoldenFile.Check("deploy.txt", Cli.Out);
    }

    [Fact]
    public async Task Of_a_container_only_the_settings_are_sent()
    {
        Cli.Write("web/function.toml", "[container]\nimage = \"web:1\"\n");
        Cli.Write("web/image/Dockerfile", "FROM scratch\n");
        Cli.Write("web/code/fn.py", "not for a container");
        Assert.Equal(0, await Cli.RunAsync("deploy", "web", "--memory", "64", "--cpus", "0.5"));
        Assert.Equal("[container]\nmemory = 64\ncpus = 0.5\nimage = \"web:1\"\n".Split('\n').Order(), Daemon.UploadedToml().Split('\n').Order());
        Assert.False(Daemon.HasUploadedCode());
        Assert.Equal(ExitCode.Usage, await Cli.RunAsync("deploy", "web", "--runtime", "python3"));
        Assert.Contains("Leave --runtime out", Cli.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fn.py", "python3")]
    [InlineData("package.json", "nodejs")]
    [InlineData("index.js", "nodejs")]
    [InlineData("fn.sh", "binary")]
    public async Task The_runtime_of_plain_code_is_detected(string file, string runtime)
    {
        Cli.Write($"plain/{file}", "{}");
        Assert.Equal(0, await Cli.RunAsync("deploy", "plain/"));
        Assert.Equal($"[process]\nruntime = \"{runtime}\"\n", Daemon.UploadedToml());
        Assert.Equal([file], Entries());
    }

    [Fact]
    public async Task Flags_stand_above_the_file()
    {
        Cli.Write("hello/function.toml", "# mine\ntimeout = 5 # seconds\n\n[process]\nruntime = \"python3\"\nmemory = 64\n\n[env]\nA = \"1\"\n");
        Cli.Write("hello/code/fn.py", "");
        Assert.Equal(0, await Cli.RunAsync("deploy", "hello", "--name", "other", "--module", "shop", "--memory", "512", "--cpus", "1.5", "--timeout", "0.25", "--concurrency", "4",
            "--min-instances", "1", "--max-instances", "9", "--env", "A=x=\"y\"", "--env", "B.C=", "--label", "team=edge", "--runtime", "nodejs"));
        Assert.Equal("PUT /stint/v1/functions/other.shop", Daemon.Requests.Single());
        GoldenFile.Check("deploy-flags.toml", Daemon.UploadedToml());
    }

    [Fact]
    public async Task Executable_bits_are_kept_and_debris_stays_at_home()
    {
        File.SetUnixFileMode(Cli.Write("b/fn.sh", "#!/bin/sh\n"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Cli.Write("b/.git/HEAD", "");
        Cli.Write("b/__pycache__/x.pyc", "");
        Cli.Write("b/.hidden", "");
        File.CreateSymbolicLink(Path.Combine(Cli.Folder, "b/again.sh"), "fn.sh");
        Assert.Equal(0, await Cli.RunAsync("deploy", "b"));
        Assert.Equal([".hidden", "again.sh", "fn.sh"], Entries());
        var zip = Cli.Folder + "/sent.zip";
        await File.WriteAllBytesAsync(zip, Daemon.Upload["code"]);
        Directory.CreateDirectory(Cli.Folder + "/unpacked");
        // Unpacked by another program: the bits are where the rest of the world looks for them.
        using var unzip = Process.Start(new ProcessStartInfo("python3", ["-c", "import sys,zipfile; print([(i.filename, oct(i.external_attr >> 16), i.create_system) for i in zipfile.ZipFile(sys.argv[1]).infolist() if i.filename == 'fn.sh'])", zip]) { RedirectStandardOutput = true })!;
        Assert.Equal("[('fn.sh', '0o100700', 3)]\n", await unzip.StandardOutput.ReadToEndAsync());
    }

    [Theory]
    [InlineData("""{"dependencies": {"left-pad": "1"}}""", false)]
    [InlineData("""{"dependencies": {}}""", true)]
    [InlineData("""{}""", true)]
    [InlineData("not json", true)]
    public async Task Node_modules_go_along_only_when_nothing_would_install_them(string package, bool sent)
    {
        Cli.Write("n/package.json", package);
        Cli.Write("n/node_modules/left-pad/index.js", "");
        Assert.Equal(0, await Cli.RunAsync("deploy", "n"));
        Assert.Equal(sent, Entries().Contains("node_modules/left-pad/index.js"));
    }

    [Theory]
    [InlineData("/etc/passwd", "outside of the code")]
    [InlineData("..", "outside of the code")]
    [InlineData(".", "a folder that contains it")]
    [InlineData("gone", "does not exist")]
    public async Task Links_that_lead_astray_are_refused(string target, string why)
    {
        Cli.Write("l/fn.py", "");
        File.CreateSymbolicLink(Path.Combine(Cli.Folder, "l/link"), target);
        Assert.Equal(1, await Cli.RunAsync("deploy", "l"));
        Assert.Contains("link is a link to", Cli.Error, StringComparison.Ordinal);
        Assert.Contains(why, Cli.Error, StringComparison.Ordinal);
        Assert.Empty(Daemon.Requests);
    }

    [Fact]
    public async Task A_pipe_in_the_folder_is_refused_and_not_opened()
    {
        Cli.Write("p/fn.py", "");
        using (var mkfifo = Process.Start("mkfifo", Path.Combine(Cli.Folder, "p/pipe"))) await mkfifo.WaitForExitAsync();
        Assert.Equal(1, await Cli.RunAsync("deploy", "p").WaitAsync(Wait.Limit));
        Assert.Contains("pipe is a pipe, socket or device", Cli.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nowhere", ExitCode.Failed, "is no folder")]
    [InlineData("empty", ExitCode.BadConfiguration, "no fn.py")]
    [InlineData("half", ExitCode.BadConfiguration, "no folder 'code' beside it")]
    [InlineData("bad name", ExitCode.Usage, "--name")]
    public async Task A_folder_that_is_no_function_is_explained(string folder, int exitCode, string said)
    {
        Directory.CreateDirectory(Path.Combine(Cli.Folder, "empty"));
        Cli.Write("half/function.toml", "");
        Cli.Write("bad name/fn.py", "");
        Assert.Equal(exitCode, await Cli.RunAsync("deploy", folder));
        Assert.Contains(said, Cli.Error, StringComparison.Ordinal);
        Assert.Empty(Daemon.Requests);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_failed_build_shows_its_last_lines_and_the_reason(bool terminal)
    {
        Cli.Terminal = terminal;
        Cli.Write("hello/fn.py", "");
        Daemon.DeployLines.Add("""{"event":"step","text":"Installing [bold] \u001b[31mpackages"}""");
        for (var line = 1; line <= 30; line++) Daemon.DeployLines.Add($$"""{"event":"output","text":"line {{line}}\u001b[2J"}""");
        Daemon.DeployLines.Add("""{"event":"failed","error":{"code":"build-failed","message":"pip exited with 1"}}""");
        Assert.Equal(1, await Cli.RunAsync("deploy", "hello"));
        Assert.Contains("line 11\n", Cli.Error.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.DoesNotContain("line 10\n", Cli.Error.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Contains("stint: hello was not deployed: pip exited with 1", Cli.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("\e[2J", Cli.Error, StringComparison.Ordinal);
        if (!terminal) GoldenFile.Check("deploy-failed.txt", Cli.Error);
    }

    [Fact]
    public async Task Verbose_shows_steps_and_output_as_they_come()
    {
        Cli.Write("hello/fn.py", "");
        Daemon.DeployLines.AddRange(["""{"event":"step","text":"Installing"}""", """{"event":"output","text":"Collecting numpy"}""", PlayedDaemon.Deployed("hello")]);
        Assert.Equal(0, await Cli.RunAsync("deploy", "hello", "-v"));
        Assert.Equal("Installing\nCollecting numpy\n", Cli.Error.ReplaceLineEndings("\n"));
    }

    [Fact]
    public async Task A_bad_function_toml_has_its_own_exit_code()
    {
        Cli.Write("hello/fn.py", "");
        Daemon.Instead = context => PlayedDaemon.RefuseAsync(context, HttpStatusCode.BadRequest, "bad-configuration", "function.toml, line 2: memory must be 8 or more");
        Assert.Equal(ExitCode.BadConfiguration, await Cli.RunAsync("deploy", "hello"));
        Assert.Equal("stint: function.toml, line 2: memory must be 8 or more\n", Cli.Error);
    }

    [Fact]
    public async Task A_daemon_that_dies_in_the_middle_is_no_success()
    {
        Cli.Write("hello/fn.py", "");
        Daemon.DeployLines.Add("""{"event":"step","text":"Installing"}""");
        Assert.Equal(1, await Cli.RunAsync("deploy", "hello"));
        Assert.Contains("broke off while it deployed hello", Cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_deployed_function_can_be_had_as_json()
    {
        Cli.Write("hello/fn.py", "");
        Assert.Equal(0, await Cli.RunAsync("deploy", "hello", "--json"));
        GoldenFile.Check("deploy.json", Cli.Out);
    }
}
