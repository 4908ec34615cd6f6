using System.Net;
using System.Net.Sockets;
using Stint.Checks;
using Stint.Tests.Cli;

namespace Stint.Tests.Checks;

public sealed class CheckupTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-checks-").FullName;

    public void Dispose()
    {
        File.SetUnixFileMode(_folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.Delete(_folder, recursive: true);
    }

    private CheckScope Scope => new() { Registry = _folder + "/functions", State = _folder + "/state" };

    private string Script(string name, string body)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, "#!/bin/sh\n" + body + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    [Fact]
    public async Task Every_check_has_a_finding_and_a_cure_unless_it_is_fine()
    {
        var results = await Checkup.RunAsync(Scope, CancellationToken.None);
        Assert.Equal(results.Count, results.Select(result => result.Name).Distinct().Count());
        foreach (var result in results)
        {
            Assert.NotEmpty(result.Found);
            Assert.Equal(result.Status is CheckStatus.Fine, result.Cure is null);
        }
    }

    [Theory]
    [InlineData(nameof(CheckStatus.Fine), nameof(CheckStatus.Fine), nameof(CheckStatus.Fine), true)]
    [InlineData(nameof(CheckStatus.Degraded), nameof(CheckStatus.Fine), nameof(CheckStatus.Fine), true)]
    [InlineData(nameof(CheckStatus.Missing), nameof(CheckStatus.Fine), nameof(CheckStatus.Fine), false)]
    [InlineData(nameof(CheckStatus.Fine), nameof(CheckStatus.Missing), nameof(CheckStatus.Fine), true)]
    [InlineData(nameof(CheckStatus.Fine), nameof(CheckStatus.Fine), nameof(CheckStatus.Missing), true)]
    [InlineData(nameof(CheckStatus.Fine), nameof(CheckStatus.Missing), nameof(CheckStatus.Missing), false)]
    public void Functions_can_run_with_a_sandbox_and_one_language(string sandbox, string python3, string nodejs, bool can) => Assert.Equal(can, Checkup.CanRunFunctions(
    [
        new("sandbox", Enum.Parse<CheckStatus>(sandbox), "", null, Concern.Everything), new("python3", Enum.Parse<CheckStatus>(python3), "", null, Concern.Python3), new("nodejs", Enum.Parse<CheckStatus>(nodejs), "", null, Concern.NodeJs),
        new("npm", CheckStatus.Missing, "", null, Concern.Comfort),
    ]));

    [Theory]
    [InlineData("echo Python 3.11.7", nameof(CheckStatus.Fine))]
    [InlineData("echo Python 3.14.0rc1", nameof(CheckStatus.Fine))]
    [InlineData("echo Python 3.8.10", nameof(CheckStatus.Missing))]
    [InlineData("echo broken >&2; exit 1", nameof(CheckStatus.Missing))]
    public async Task An_interpreter_is_asked_for_its_version(string body, string status)
    {
        var result = await new Python3Check().RunAsync(Scope with { Python3 = Script("python3", body) }, CancellationToken.None);
        Assert.Equal(status, result.Status.ToString());
    }

    [Fact]
    public async Task A_node_that_is_too_old_or_absent_is_missing()
    {
        var old = await new NodeJsCheck().RunAsync(Scope with { NodeJs = Script("node", "echo v16.20.0") }, CancellationToken.None);
        Assert.Equal((CheckStatus.Missing, true), (old.Status, old.Found.Contains("18.0", StringComparison.Ordinal)));
        var absent = await new NodeJsCheck().RunAsync(Scope with { NodeJs = _folder + "/nowhere" }, CancellationToken.None);
        Assert.Equal((CheckStatus.Missing, $"{_folder}/nowhere is no program."), (absent.Status, absent.Found));
    }

    [Theory]
    [InlineData("v20.20.2", "20.20.2")]
    [InlineData("Python 3.13.0rc1", "3.13.0")]
    [InlineData("pip 23.0.1 from /usr/lib (python 3.11)", "23.0.1")]
    [InlineData("nonsense", null)]
    public void Versions_are_read_from_what_programs_say(string said, string? version) => Assert.Equal(version, Interpreter.ParseVersion(said)?.ToString());

    [Theory]
    [InlineData("/usr/bin/python3", true)]
    [InlineData("/opt/node/bin/node", true)]
    [InlineData("/home/ada/.pyenv/shims/python3", false)]
    [InlineData("/root/.nvm/node", false)]
    public void Homes_are_not_visible_in_a_sandbox(string path, bool visible) => Assert.Equal(visible, Interpreter.IsVisibleInSandbox(path));

    [Fact]
    public void A_folder_that_others_cannot_enter_is_named_with_the_cure()
    {
        var closed = Directory.CreateDirectory(_folder + "/closed").FullName;
        File.SetUnixFileMode(_folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.SetUnixFileMode(closed, (UnixFileMode)0b111_101_101);
        var check = new FolderCheck("state folder", scope => scope.State);
        var result = check.Look(closed + "/state", othersMustEnter: true);
        Assert.Equal((CheckStatus.Missing, true), (result.Status, result.Cure!.EndsWith($"chmod o+x {_folder}", StringComparison.Ordinal)));
        Assert.Equal(CheckStatus.Fine, check.Look(closed + "/state", othersMustEnter: false).Status);
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
        Assert.Equal(CheckStatus.Fine, check.Look(closed + "/state", othersMustEnter: true).Status);
    }

    [Fact]
    public void A_folder_that_is_a_file_is_missing()
    {
        File.WriteAllText(_folder + "/state", "");
        Assert.Contains("is a file", new FolderCheck("state folder", scope => scope.State).Look(_folder + "/state", othersMustEnter: false).Found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_named_with_its_setting()
    {
        using var listener = new TcpListener(IPAddress.IPv6Any, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var scope = Scope with { Ports = [new DaemonPort("http-port", port, Transport.Tcp), new DaemonPort("grpc-port", -1, Transport.Tcp)] };
        var taken = await new PortsCheck().RunAsync(scope, CancellationToken.None);
        Assert.Equal((CheckStatus.Degraded, $"{port}/tcp is in use (http-port)."), (taken.Status, taken.Found));
        Assert.Equal(CheckStatus.Fine, (await new PortsCheck().RunAsync(scope with { DaemonPid = 1 }, CancellationToken.None)).Status);
        listener.Stop();
        Assert.Equal(CheckStatus.Fine, (await new PortsCheck().RunAsync(scope, CancellationToken.None)).Status);
    }

    [Fact]
    public async Task A_program_that_is_cancelled_is_killed()
    {
        using var stop = new CancellationTokenSource();
        var running = Tool.RunAsync(Scope, Script("slow", $"touch {_folder}/started; exec sleep 600"), [], stop.Token);
        await Wait.UntilAsync(() => File.Exists(_folder + "/started"));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.WaitAsync(Wait.Limit));
    }
}
