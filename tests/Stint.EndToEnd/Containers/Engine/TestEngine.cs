// A real dockerd of the tests' own, with everything of it in one folder, its own addresses and its own chains, so that it disturbs nobody and leaves nothing. Started when the first test of the
// collection wants it. Write a class that needs it as
//
//   [Collection(TestEngine.Collection)]
//   public sealed class MyTests(TestEngine engine) { … }
//
// Its tests then run one after another, and may kill and restart the engine as long as they leave it running.
//
// With STINT_TEST_ENGINE=unix:///… the tests of the client can be run by hand at another engine, Podman for example (docs/containers.md); those that stop the engine fail there.
using System.Diagnostics;
using System.Net;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Processes.Spawning;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Engine;

/// <summary>All classes of the collection share one engine and run one after another.</summary>
[CollectionDefinition(TestEngine.Collection)]
public sealed class TestEngineCollection : ICollectionFixture<TestEngine>;

/// <summary>A container engine for tests.</summary>
public sealed class TestEngine : IAsyncLifetime, IDisposable
{
    /// <summary>The name of the collection.</summary>
    public const string Collection = "container engine";

    private static readonly string? Foreign = Environment.GetEnvironmentVariable("STINT_TEST_ENGINE") is { Length: > 0 } address ? address : null;

    private TestEngineSlot? _slot;
    private Process? _containerd;
    private Process? _process;
    private EngineClient? _client;
    private BusyboxImages? _images;

    /// <summary>Its address as <c>DOCKER_HOST</c> has it.</summary>
    internal string Address => Foreign ?? $"unix://{Socket}";

    /// <summary>Its socket.</summary>
    internal string Socket => Path.Combine(Folder, "docker.sock");

    /// <summary>Its folder: <c>data</c>, <c>exec</c>, <c>log</c>.</summary>
    internal string Folder => _slot!.Folder;

    /// <summary>Addresses for networks of the tests, a /20; the engine's own networks have others.</summary>
    internal IPNetwork Addresses => _slot!.TestAddresses;

    /// <summary>Speaks to it.</summary>
    internal EngineClient Client => _client!;

    /// <summary>Images made of busybox.</summary>
    internal BusyboxImages Images => _images!;

    /// <summary>What it logged.</summary>
    internal string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    private string ContainerdSocket => Path.Combine(Folder, "containerd.sock");

    private string LogFile => Path.Combine(Folder, "log");

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        if (!Environment.IsPrivilegedProcess || !File.Exists("/usr/sbin/dockerd"))
            throw new InvalidOperationException("the tests of containers start an engine of their own, as root: sudo apt-get install docker.io busybox-static iptables, and run them with sudo");
        _slot = await TestEngineSlot.TakeAsync();
        _client = new EngineClient(EngineAddress.Parse(Address), TimeProvider.System);
        _images = new BusyboxImages(_client);
        if (Foreign is not null) return;
        // containerd is a service of its own, as on a real host: it goes on when the engine is killed.
        await File.WriteAllTextAsync(Path.Combine(Folder, "containerd.toml"), "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n");
        _containerd = Launch("/usr/bin/containerd",
            "--config", Path.Combine(Folder, "containerd.toml"), "--root", Path.Combine(Folder, "data", "containerd"), "--state", Path.Combine(Folder, "exec", "containerd"), "--address", ContainerdSocket);
        await Retry.UntilAsync("containerd listens", () => _containerd.HasExited ? throw new InvalidOperationException($"containerd ended with {_containerd.ExitCode}:\n{Log}") : File.Exists(ContainerdSocket));
        await StartAsync();
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        if (_slot is null) return;
        try
        {
            if (_process is { HasExited: false }) await StopAsync();
        }
        finally
        {
            await _slot.ClearAsync();
        }
        var left = await _slot.FindLeftoversAsync();
        if (left.Count > 0) throw new InvalidOperationException($"the test engine left behind:\n{string.Join('\n', left)}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _client?.Dispose();
        _containerd?.Dispose();
        _process?.Dispose();
        _slot?.Dispose();
    }

    /// <summary>Starts it, or starts it again, and returns when it answers.</summary>
    /// <param name="flags">Of this start only: <c>--live-restore</c>.</param>
    internal async Task StartAsync(params string[] flags)
    {
        string[] arguments =
        [
            "--data-root", Path.Combine(Folder, "data"), "--exec-root", Path.Combine(Folder, "exec"), "--pidfile", Path.Combine(Folder, "pid"), "--host", Address, "--containerd", ContainerdSocket,
            // No network of its own, docker0: another engine of this machine may have it.
            "--bridge", "none", "--default-address-pool", $"base={_slot!.EngineAddresses},size=26", "--config-file", Path.Combine(Folder, "daemon.json"), .. flags,
        ];
        await File.WriteAllTextAsync(Path.Combine(Folder, "daemon.json"), "{}");
        _process?.Dispose();
        _process = Launch("/usr/sbin/dockerd", arguments);
        await Retry.UntilAsync("the container engine answers", async () =>
        {
            if (_process.HasExited) throw new InvalidOperationException($"dockerd ended with {_process.ExitCode}:\n{Log}");
            try
            {
                await Client.PingAsync(default);
                return true;
            }
            catch (EngineException)
            {
                return false;
            }
        });
    }

    /// <summary>Stops it in good order; its containers end.</summary>
    internal Task StopAsync() => EndAsync(15);

    /// <summary>Ends it at once, as a crash would. Containers' processes live on until it is started again.</summary>
    internal Task KillAsync() => EndAsync(Posix.SigKill);

    /// <summary>What is still on the host of the objects with a label: containers, networks, images, each in a word.</summary>
    internal async Task<IReadOnlyList<string>> FindLabelledAsync(string label, string? value = null)
    {
        var filters = EngineFilters.Label(label, value);
        var found = (await Client.Containers.ListAsync(filters, default)).Select(static one => $"container {string.Join(",", one.Names)} ({one.State})").ToList();
        found.AddRange((await Client.Networks.ListAsync(filters, default)).Select(static one => $"network {one.Name}"));
        found.AddRange((await Client.Images.ListAsync(filters, default)).Select(static one => $"image {one.Id} {string.Join(",", one.RepoTags)}"));
        return found;
    }

    // The log is the program's own standard error: nobody has to read it for the engine to go on.
    private Process Launch(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", "log=$1; shift; exec \"$0\" \"$@\" >>\"$log\" 2>&1 </dev/null", program, LogFile, .. arguments]);
        start.Environment["PATH"] = $"{_slot!.Programs}:{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin";
        foreach (var name in (string[])["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_DRIVER"]) start.Environment.Remove(name);
        return Process.Start(start)!;
    }

    private async Task EndAsync(int signal)
    {
        if (_process is null) throw new InvalidOperationException("the engine is not the tests' own: it cannot be stopped");
        if (_process.HasExited) throw new InvalidOperationException($"dockerd has ended with {_process.ExitCode}:\n{Log}");
        Posix.Check(Posix.kill(_process.Id, signal), "kill");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _process.WaitForExitAsync(limit.Token);
    }
}
