using System.Net.Sockets;
using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.LifeCycle;

/// <summary>How a daemon begins, and how it says that it cannot.</summary>
public sealed partial class StartingTests
{
    [Fact]
    public async Task Two_daemons_with_different_folders_run_side_by_side()
    {
        await using var first = await StintDaemon.StartAsync();
        await using var second = await StintDaemon.StartAsync();
        await Task.WhenAll(first.DeployPythonAsync("who", "def fn(input, headers): return 'first'\n"), second.DeployPythonAsync("who", "def fn(input, headers): return 'second'\n"));
        Assert.Equal((200, "first"), await first.CallAsync("who"));
        Assert.Equal((200, "second"), await second.CallAsync("who"));
        first.Signal(15);
        Assert.Equal(0, await first.ExitAsync());
        await first.RequireNothingLeftAsync();
        Assert.Equal((200, "second"), await second.CallAsync("who"));
    }

    [Fact]
    public async Task A_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on()
    {
        await using var first = await StintDaemon.StartAsync();
        await first.DeployPythonAsync("here", "def fn(input, headers): return 'here'\n");
        var second = await UpAsync(first.Root, "--registry", first.Registry, "--state", first.State, "--run", first.Run, "--http-port", "0", "--management-port", "0");
        Assert.Equal(1, second.Code);
        Assert.Contains("another daemon uses the state folder", second.Error, StringComparison.Ordinal);
        Assert.Contains("--state", second.Error, StringComparison.Ordinal);
        Assert.Equal((200, "here"), await first.CallAsync("here"));
    }

    [Fact]
    public async Task A_run_folder_of_another_daemon_is_not_taken_from_it()
    {
        await using var first = await StintDaemon.StartAsync();
        await first.DeployPythonAsync("here", "def fn(input, headers): return 'here'\n", top: "min-instances = 1");
        var state = Path.Combine(first.Root, "other-state");
        var second = await UpAsync(first.Root, "--registry", first.Registry, "--state", state, "--run", first.Run, "--http-port", "0", "--management-port", "0");
        Assert.Equal(1, second.Code);
        Assert.Contains("another daemon uses the run folder", second.Error, StringComparison.Ordinal);
        await first.DeployPythonAsync("more", "def fn(input, headers): return 'more'\n");
        Assert.Equal((200, "more"), await first.CallAsync("more"));
    }

    [Fact]
    public async Task A_run_folder_with_other_things_in_it_keeps_them()
    {
        await using var daemon = await StintDaemon.StartAsync(new DaemonSetup { Before = static daemon => FunctionFiles.Write(daemon.Run, ("precious/data.txt", "mine")) });
        await daemon.DeployPythonAsync("f", "def fn(input, headers): return 'f'\n");
        Assert.Equal((200, "f"), await daemon.CallAsync("f"));
        daemon.Signal(15);
        Assert.Equal(0, await daemon.ExitAsync());
        Assert.Equal(["precious"], Directory.EnumerateFileSystemEntries(daemon.Run).Select(Path.GetFileName));
        Directory.Delete(daemon.Run, recursive: true);
    }

    [Theory]
    [InlineData("--http-port"), InlineData("--management-port")]
    public async Task A_port_that_is_in_use_is_named_and_nothing_is_left(string flag)
    {
        using var taken = new TcpListener(System.Net.IPAddress.Any, FreePorts.Take());
        taken.Start();
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            File.SetUnixFileMode(root, (UnixFileMode)0b111_101_101);
            var port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port;
            var other = flag == "--http-port" ? "--management-port" : "--http-port";
            var up = await UpAsync(root, "--registry", $"{root}/f", "--state", $"{root}/s", "--run", $"{root}/r", flag, $"{port}", other, $"{FreePorts.Take()}");
            Assert.Equal(1, up.Code);
            Assert.Contains($"{port}", up.Error, StringComparison.Ordinal);
            Assert.Contains("in use", up.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", up.Error, StringComparison.Ordinal); // no stack trace
            Assert.Contains(flag, up.Error, StringComparison.Ordinal);
            Assert.Empty(Leftovers.Of(root, $"{root}/s", $"{root}/r", $"{root}/tmp"));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task Bad_settings_are_reported_all_at_once_with_exit_code_78()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(root, "stint.toml"), "http-prt = 1\ndrain-seconds = -4\n");
            var up = await Programs.RunAsync([.. Programs.Stint, "up", "--config", Path.Combine(root, "stint.toml")], root, "",
                new Dictionary<string, string> { ["GRPC_PORT"] = "many", ["COAP_PORT"] = "70000" });
            Assert.Equal(78, up.Code);
            foreach (var wanted in new[] { "stint.toml:1:1", "`http-port`", "stint.toml:2:", "GRPC_PORT", "COAP_PORT" }) Assert.Contains(wanted, up.Error, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task Bad_flags_are_reported_all_at_once_with_exit_code_2()
    {
        var up = await UpAsync("/", "--max-body", "0", "--http-port", "x");
        Assert.Equal(2, up.Code);
        Assert.Contains("--max-body", up.Error, StringComparison.Ordinal);
        Assert.Contains("--http-port", up.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_come_from_flag_environment_and_file_in_this_order()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            var file = Path.Combine(root, "stint.toml");
            await File.WriteAllTextAsync(file, "max-body = 1\ndrain-seconds = 1\nlog-format = \"json\"\n");
            await using var daemon = await StintDaemon.StartAsync(new DaemonSetup { Flags = ["--config", file, "--max-body", "3"], Environment = new Dictionary<string, string> { ["STINT_MAX_BODY"] = "2", ["STINT_DRAIN_SECONDS"] = "7" } });
            await daemon.DeployPythonAsync("f", "def fn(input, headers): return str(len(input))\n");
            Assert.Equal(200, (await daemon.CallAsync("f", new string('x', 3 << 20))).Status);
            Assert.Equal(413, (await daemon.CallAsync("f", new string('x', (3 << 20) + 1))).Status);
            daemon.Signal(15);
            await daemon.ExitAsync();
            Assert.Contains("have 7 s", daemon.Log, StringComparison.Ordinal);
            Assert.All(daemon.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries), static line => Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(line).RootElement.ValueKind));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task Without_isolation_it_says_so_everywhere()
    {
        await using var daemon = await StintDaemon.StartAsync("--isolation", "none");
        await daemon.DeployPythonAsync("plain", "def fn(input, headers): return 'plain'\n");
        Assert.Equal((200, "plain"), await daemon.CallAsync("plain"));
        Assert.Contains("warn: ", daemon.Log, StringComparison.Ordinal);
        Assert.Contains("not isolated", daemon.Log, StringComparison.Ordinal);
        Assert.Contains("stint_isolated 0", await daemon.Management.GetStringAsync("metrics"), StringComparison.Ordinal);
        Assert.Contains("isolation", await daemon.Management.GetStringAsync("stint/v1/info"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_of_an_ordinary_user_runs_functions_in_the_sandbox()
    {
        if (!Environment.IsPrivilegedProcess) return; // then every other test of this suite is this test
        await using var daemon = await StintDaemon.StartAsync(new DaemonSetup
        {
            Prefix = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups", "--"],
            Environment = new Dictionary<string, string> { ["HOME"] = "/nonexistent" },
            Before = static daemon =>
            {
                foreach (var folder in new[] { daemon.Root, daemon.Temporary }) Assert.Equal(0, chown(folder, 1234, 1234));
            },
        });
        await daemon.DeployPythonAsync("who", "import os\ndef fn(input, headers): return f\"{os.getuid()} {os.path.exists('/etc/shadow')} {os.path.exists('/home')}\"\n");
        Assert.Equal((200, "1000 False False"), await daemon.CallAsync("who"));
        Assert.Contains("stint_isolated 1", await daemon.Management.GetStringAsync("metrics"), StringComparison.Ordinal);
        // It has no control groups of its own, and says so.
        if ((await daemon.Management.GetStringAsync("metrics")).Contains("stint_limits_enforced 0", StringComparison.Ordinal))
            Assert.Contains("limits of memory, processes and cpu are not enforced", daemon.Log, StringComparison.Ordinal);
    }

    private static Task<Finished> UpAsync(string folder, params string[] flags) =>
        Programs.RunAsync([.. Programs.Stint, "up", "--coap-port", "-1", "--grpc-port", "-1", .. flags], folder);

    [System.Runtime.InteropServices.LibraryImport("libc", StringMarshalling = System.Runtime.InteropServices.StringMarshalling.Utf8)]
    private static partial int chown(string path, int user, int group);
}
