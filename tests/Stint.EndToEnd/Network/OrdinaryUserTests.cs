using System.Runtime.InteropServices;
using Stint.Backends.Processes.Spawning;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Network;

/// <summary>Functions' networks under a daemon that is not root: through slirp4netns or pasta, whichever there is.</summary>
public sealed partial class OrdinaryUserTests
{
    // In a mount namespace of its own: /dev/net/tun as most systems have it (open to all), and only one of the two programs, or none.
    private const string Host = """
        mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 || exit 1
        mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work && mount -t overlay none -o lowerdir=/usr/bin,upperdir=/mnt/upper,workdir=/mnt/work /usr/bin || exit 1
        for hidden in $0; do rm "/usr/bin/$hidden" || exit 1; done
        exec setpriv --reuid 2000003001 --regid 2000003001 --clear-groups "$@"
        """;

    [Theory]
    [InlineData("pasta", "slirp4netns"), InlineData("slirp4netns", "pasta")]
    public async Task A_function_reaches_the_world_and_not_the_host(string hidden, string carrier)
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await using var daemon = await StartAsync(world, hidden);
        await daemon.DeployPythonAsync("probe", EdgeDaemon.RunsItsInput, top: "keepalive = -1");
        await daemon.DeployPythonAsync("other", EdgeDaemon.RunsItsInput, "network = \"outbound\"");
        Assert.Equal((200, EdgeNetwork.Host), await AskAsync(daemon, "probe", EdgeNetwork.Server, EdgeNetwork.Port));
        Assert.Equal((200, EdgeNetwork.Host), await AskAsync(daemon, "probe", "server.example", EdgeNetwork.Port));
        Assert.Equal((200, EdgeNetwork.Host), await AskAsync(daemon, "other", EdgeNetwork.Server, EdgeNetwork.Port));
        Assert.NotEmpty(Carriers(carrier, daemon));
        foreach (var address in new[] { EdgeNetwork.Host, EdgeNetwork.Bridge, EdgeNetwork.Container, EdgeNetwork.Metadata, "127.0.0.1" }.Concat(carrier == "slirp4netns" ? ["10.100.0.2"] : []))
            foreach (var port in new[] { EdgeNetwork.Port, daemon.ManagementPort })
                Assert.Equal((200, "ConnectionRefusedError"), await AskAsync(daemon, "probe", address, port));
        Assert.Equal((200, "1"), await daemon.CallAsync("probe", "import subprocess\nresult = subprocess.run(['/usr/sbin/nft', 'flush', 'ruleset'], capture_output=True).returncode"));
        Assert.Equal("outbound", (await daemon.DescribeAsync("probe")).GetProperty("network").GetString());

        // An instance whose carrier dies does not stay without a network: it goes, and the next one has its own again.
        var killed = Carriers(carrier, daemon);
        foreach (var pid in killed) Posix.Check(Posix.kill(pid, 9), "kill");
        await Retry.UntilAsync("the daemon has noticed", () => killed.TrueForAll(static pid => !Directory.Exists($"/proc/{pid}")));
        await daemon.DeployPythonAsync("fresh", EdgeDaemon.RunsItsInput, "network = \"outbound\"\ntmp = 7");
        foreach (var function in new[] { "probe", "fresh" })
            await Retry.UntilAsync($"{function} reaches the world again", async () => await AskAsync(daemon, function, EdgeNetwork.Server, EdgeNetwork.Port) == (200, EdgeNetwork.Host));
        Assert.Contains("the network of an instance has ended", daemon.Log, StringComparison.Ordinal);

        daemon.Signal(15);
        Assert.Equal(0, await daemon.ExitAsync());
        Assert.Empty(Carriers(carrier, daemon));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(daemon.State, "network")));
    }

    [Theory]
    [InlineData("pasta", "slirp4netns"), InlineData("slirp4netns", "pasta")]
    public async Task A_killed_daemon_takes_its_networks_along(string hidden, string carrier)
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await using var daemon = await StartAsync(world, hidden);
        await daemon.DeployPythonAsync("probe", EdgeDaemon.RunsItsInput);
        Assert.Equal((200, EdgeNetwork.Host), await AskAsync(daemon, "probe", EdgeNetwork.Server, EdgeNetwork.Port));
        var processes = Carriers(carrier, daemon);
        Assert.NotEmpty(processes);
        await daemon.KillAsync();
        await Retry.UntilAsync("its processes are gone", () => daemon.FindLeftovers().All(static left => !left.StartsWith("process", StringComparison.Ordinal)) && processes.All(static pid => !Directory.Exists($"/proc/{pid}")));
        Directory.Delete(daemon.Run, recursive: true);
    }

    [Fact]
    public async Task Without_such_a_program_functions_run_without_a_network_and_it_is_said_what_to_install()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await using var daemon = await StartAsync(world, "pasta slirp4netns");
        await daemon.DeployPythonAsync("probe", EdgeDaemon.RunsItsInput);
        Assert.Equal((200, "['lo']"), await daemon.CallAsync("probe", "import socket\nresult = [n for _, n in socket.if_nameindex()]"));
        Assert.Contains("apt-get install slirp4netns", daemon.Log, StringComparison.Ordinal);
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => daemon.DeployPythonAsync("wants", EdgeDaemon.RunsItsInput, "network = \"outbound\""));
        Assert.Contains("slirp4netns", failure.Message, StringComparison.Ordinal);
    }

    private static Task<StintDaemon> StartAsync(EdgeNetwork world, string hidden) => world.StartDaemonAsync(new DaemonSetup
    {
        Environment = new Dictionary<string, string> { ["HOME"] = "/nonexistent" },
        Prefix = ["unshare", "--mount", "--", "sh", "-c", Host, hidden],
        Before = static daemon => Posix.Check(chown(daemon.Root, 2_000_003_001, 2_000_003_001) | chown(daemon.Temporary, 2_000_003_001, 2_000_003_001), "chown"),
    });

    private static Task<(int Status, string Body)> AskAsync(StintDaemon daemon, string function, string address, int port) =>
        daemon.CallAsync(function, $"import socket\ntry:\n    with socket.create_connection(('{address}', {port}), 20) as s: result = s.recv(100).decode()\nexcept OSError as e: result = type(e).__name__");

    // Those whose namespaces' holder reads its rules from the daemon's folder; the carrier's arguments name the holder.
    private static List<int> Carriers(string program, StintDaemon daemon)
    {
        var commands = Directory.EnumerateDirectories("/proc").Where(static path => int.TryParse(Path.GetFileName(path), out _)).Select(static path =>
        {
            try
            {
                return (Pid: int.Parse(Path.GetFileName(path), System.Globalization.CultureInfo.InvariantCulture), Parent: ParentOf(path), Command: File.ReadAllText(Path.Combine(path, "cmdline")).Split('\0'));
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                return (Pid: 0, Parent: 0, Command: []);
            }
        });
        return [.. commands.Where(process => process.Parent == daemon.ProcessId && process.Command.Length > 0 && Path.GetFileName(process.Command[0]) == program).Select(static process => process.Pid)];
    }

    private static int ParentOf(string process) =>
        int.Parse(File.ReadLines(Path.Combine(process, "status")).First(static line => line.StartsWith("PPid:", StringComparison.Ordinal))[5..].Trim(), System.Globalization.CultureInfo.InvariantCulture);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, int user, int group);
}
