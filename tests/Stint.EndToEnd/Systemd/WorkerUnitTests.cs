using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Stint.Backends.Processes.Spawning;
using Stint.EndToEnd.Cluster;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Systemd;

/// <summary>
/// What <c>stint-worker.service</c> has of its own beside the unit that <see cref="ServiceTests"/> boots: its command, its variables and its folders, started here as systemd would, with a socket to tell systemd. To boot it too would
/// take another start of .NET on an interpreted processor: minutes where two cores do other things.
/// </summary>
[Collection(TestPostgres.Collection)]
public sealed class WorkerUnitTests(TestPostgres postgres) : IDisposable
{
    private const int SigTerm = 15;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly string[] Unit = File.ReadAllLines(Path.Combine(Programs.Repository, "deploy/systemd/stint-worker.service"));

    private readonly string _root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
    private readonly ConcurrentQueue<string> _log = [];

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [InlineData("stint.service")]
    [InlineData("stint-worker.service")]
    public async Task Systemd_understands_the_units(string name)
    {
        // It wants to see the program.
        var text = (await File.ReadAllTextAsync(Path.Combine(Programs.Repository, "deploy/systemd", name))).Replace("/usr/local/bin/stint", "/bin/true", StringComparison.Ordinal);
        (await VerifyAsync(name, text)).Good();
        Assert.NotEqual(0, (await VerifyAsync(name, text.Replace("WatchdogSec=", "WatchdogSek=", StringComparison.Ordinal))).Code);
    }

    [Fact]
    public async Task Started_by_its_unit_a_worker_says_when_gateways_know_of_it_and_when_it_stops()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        await gateway.DeployPythonAsync("there", "def fn(input): return input + ' there'");
        var settings = Prepare();
        await File.WriteAllTextAsync(Path.Combine(_root, "join"), await cluster.TokenAsync());
        await File.WriteAllTextAsync(settings, $"core = [\"127.0.0.1:{await TestCluster.NodePortOfAsync(gateway)}\"]\njoin-token = \"{_root}/join\"\nnode-name = \"w1\"\nmanagement-port = 0\n");
        using var systemd = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        systemd.Bind(new UnixDomainSocketEndPoint(Path.Combine(_root, "notify")));
        using var worker = Process.Start(Programs.Prepare(Command, "/", Variables(("NOTIFY_SOCKET", Path.Combine(_root, "notify")), ("WATCHDOG_USEC", "1000000"))))!;
        try
        {
            worker.OutputDataReceived += (_, line) => _log.Enqueue(line.Data ?? "");
            worker.ErrorDataReceived += (_, line) => _log.Enqueue(line.Data ?? "");
            worker.StandardInput.Close();
            worker.BeginOutputReadLine();
            worker.BeginErrorReadLine();
            await HearAsync(systemd, "READY=1");
            // The gateway knows it before the store does.
            await Retry.UntilAsync("it is listed", async () => (await cluster.NodesAsync()).Any(static node => node.GetProperty("name").GetString() == "w1" && node.GetProperty("isAlive").GetBoolean()));
            await Retry.UntilAsync("the gateway calls it", async () => await gateway.CallAsync("there", "Ada") == (200, "Ada there"), Patience);
            await HearAsync(systemd, "WATCHDOG=1");
            // systemctl stop: it leaves the cluster first.
            Posix.Check(Posix.kill(worker.Id, SigTerm), "kill");
            await HearAsync(systemd, "STOPPING=1");
            using var limit = new CancellationTokenSource(Patience);
            await worker.WaitForExitAsync(limit.Token);
            Assert.True(worker.ExitCode == 0, string.Join('\n', _log));
        }
        finally
        {
            if (!worker.HasExited) worker.Kill(entireProcessTree: true);
        }
        Assert.DoesNotContain(await cluster.NodesAsync(), static node => node.GetProperty("name").GetString() == "w1");
    }

    [Fact]
    public async Task A_worker_with_wrong_settings_is_not_started_again_and_again()
    {
        await File.WriteAllTextAsync(Prepare(), "cores = 1\n");
        var refused = await Programs.RunAsync(Command, "/", "", Variables());
        Assert.Equal(Value("RestartPreventExitStatus"), $"{refused.Code}");
        Assert.Contains("cores", refused.Error, StringComparison.Ordinal);
    }

    private static string[] Command => [.. Programs.Stint, .. Value("ExecStart").Split(' ')[1..]];

    private static string Value(string key) => Unit.Single(line => line.StartsWith(key + "=", StringComparison.Ordinal))[(key.Length + 1)..];

    /// <summary>The unit's variables, with folders below ours in place of the system's.</summary>
    private Dictionary<string, string> Variables(params (string Name, string Value)[] more)
    {
        var variables = Value("Environment").Split(' ').Select(static word => word.Split('=', 2)).ToDictionary(static word => word[0], word => _root + word[1]);
        foreach (var (name, value) in more) variables[name] = value;
        return variables;
    }

    /// <summary>Makes the folders that systemd would make; the path of the settings.</summary>
    private string Prepare()
    {
        File.SetUnixFileMode(_root, (UnixFileMode)0b111_001_001);
        foreach (var (key, above) in ((string, string)[])[("StateDirectory", "var/lib"), ("RuntimeDirectory", "run"), ("ConfigurationDirectory", "etc")])
        {
            var folder = Directory.CreateDirectory(Path.Combine(_root, above, Value(key))).FullName;
            if (key != "ConfigurationDirectory") File.SetUnixFileMode(folder, (UnixFileMode)Convert.ToInt32(Value(key + "Mode"), 8));
        }
        return Variables()["STINT_CONFIG"];
    }

    private async Task<Finished> VerifyAsync(string name, string text)
    {
        var path = Path.Combine(_root, name);
        await File.WriteAllTextAsync(path, text);
        return await Programs.RunAsync(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path], "/");
    }

    private async Task HearAsync(Socket systemd, string wanted)
    {
        var buffer = new byte[4096];
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            while (!Encoding.UTF8.GetString(buffer, 0, await systemd.ReceiveAsync(buffer, limit.Token)).Split('\n').Contains(wanted)) { }
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{wanted} was not heard:\n{string.Join('\n', _log)}");
        }
    }
}
