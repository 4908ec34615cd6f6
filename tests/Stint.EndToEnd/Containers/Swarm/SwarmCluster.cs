// Real swarms for tests: each engine in a network namespace of its own, as on a machine of its own, all on one bridge. So nothing of Swarm's (its bridge docker_gwbridge, which has one name for all, its
// rules, its vxlan) is ever on the host. The first engine is the manager; the daemon under test runs on the host and reaches nodes over the bridge.
using System.Diagnostics;
using System.Net;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Processes.Spawning;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Swarm;

/// <summary>A swarm of one node or more.</summary>
internal sealed class SwarmCluster : IAsyncDisposable
{
    private const string Web = "swarm-web:1", Mute = "swarm-mute:1", Broken = "swarm-broken:1";

    private readonly TestEngineSlot _slot;
    private readonly List<Node> _nodes = [];
    private readonly string _number;

    private SwarmCluster(TestEngineSlot slot)
    {
        _slot = slot;
        _number = Path.GetFileName(slot.Folder)["stint-engine-".Length..];
    }

    /// <summary>A web server on port 8080 that ends at SIGTERM: <c>/cgi-bin/host</c> says which task answers, <c>/cgi-bin/sh</c> runs the body as a script. It prints "serving".</summary>
    public static string WebImage => Web;

    /// <summary>Prints a line and serves nothing.</summary>
    public static string MuteImage => Mute;

    /// <summary>Prints a line and ends with 3.</summary>
    public static string BrokenImage => Broken;

    /// <summary>The nodes; the first is the manager.</summary>
    public IReadOnlyList<Node> Nodes => _nodes;

    /// <summary>The manager.</summary>
    public EngineClient Manager => _nodes[0].Client;

    /// <summary>Its address.</summary>
    public string Address => _nodes[0].Address;

    private string Bridge => $"stsw{_number}";

    /// <summary>Starts engines, and makes a swarm of them.</summary>
    /// <param name="nodes">How many.</param>
    /// <param name="isSwarm">Whether there is to be a swarm.</param>
    public static async Task<SwarmCluster> StartAsync(int nodes, bool isSwarm = true)
    {
        if (!Environment.IsPrivilegedProcess || !File.Exists("/usr/sbin/dockerd"))
            throw new InvalidOperationException("the tests of Swarm start engines of their own, as root: sudo apt-get install docker.io busybox-static iptables iproute2, and run them with sudo");
        var cluster = new SwarmCluster(await TestEngineSlot.TakeAsync());
        try
        {
            await cluster.ClearNetworkAsync();
            await cluster.PrepareAsync(nodes);
            if (isSwarm) await cluster.JoinAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a daemon whose functions of images are services of this swarm.</summary>
    public Task<StintDaemon> StartDaemonAsync(DaemonSetup? setup = null)
    {
        setup ??= new DaemonSetup();
        return StintDaemon.StartAsync(setup with { Flags = ["--backend", "swarm", "--docker-host", Address, "-l", "debug", .. setup.Flags] });
    }

    /// <summary>The services with our labels.</summary>
    public Task<IReadOnlyList<ServiceDetails>> ServicesAsync(string? function = null)
    {
        var filters = EngineFilters.Label("stint.daemon");
        return Manager.Services.ListAsync(function is null ? filters : filters.AndLabel("stint.function", function), default);
    }

    /// <summary>Tasks of a function that run and are to.</summary>
    public async Task<IReadOnlyList<TaskDetails>> RunningAsync(string function)
    {
        var services = (await ServicesAsync(function)).Select(static service => service.ID).ToHashSet();
        return [.. (await Manager.Services.ListTasksAsync(EngineFilters.Label("stint.daemon"), default)).Where(task => services.Contains(task.ServiceID!) && task is { DesiredState: "running", Status.State: "running" })];
    }

    /// <summary>Runs docker's own command line at a node.</summary>
    public Task<string> DockerAsync(params string[] arguments) => DockerAsync(_nodes[0], arguments);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes) node.Dispose();
        await _slot.ClearAsync();
        await ClearNetworkAsync();
        var left = await _slot.FindLeftoversAsync();
        _slot.Dispose();
        if (left.Count > 0) throw new InvalidOperationException($"the swarm left behind:\n{string.Join('\n', left)}");
    }

    private async Task PrepareAsync(int count)
    {
        var addresses = _slot.TestAddresses.BaseAddress.GetAddressBytes();
        string Host(int last) => $"{addresses[0]}.{addresses[1]}.{addresses[2]}.{last}";
        // The bridge has a namespace of its own: rules that somebody's engine has on the host (FORWARD dropped, bridges not exempt) are not for it.
        var (wire, bridge) = ($"{Bridge}-bridge", "br0");
        await RunAsync("ip", "netns", "add", wire);
        await RunAsync("ip", "-n", wire, "link", "add", bridge, "type", "bridge");
        await RunAsync("ip", "-n", wire, "link", "set", bridge, "up");
        await RunAsync("ip", "link", "add", Bridge, "type", "veth", "peer", "name", "host", "netns", wire);
        await RunAsync("ip", "-n", wire, "link", "set", "host", "master", bridge, "up");
        await RunAsync("ip", "address", "add", $"{Host(1)}/24", "dev", Bridge);
        await RunAsync("ip", "link", "set", Bridge, "up");
        for (var number = 0; number < count; number++)
        {
            var space = $"{Bridge}-{number}";
            var folder = Path.Combine(_slot.Folder, $"{number}");
            foreach (var part in (string[])["exec", Path.Combine("..", "data", $"{number}")]) Directory.CreateDirectory(Path.Combine(folder, part));
            await RunAsync("ip", "netns", "add", space);
            await RunAsync("ip", "-n", wire, "link", "add", $"node{number}", "type", "veth", "peer", "name", "eth0", "netns", space);
            await RunAsync("ip", "-n", wire, "link", "set", $"node{number}", "master", bridge, "up");
            foreach (var link in (string[])["lo", "eth0"]) await RunAsync("ip", "-n", space, "link", "set", link, "up");
            await RunAsync("ip", "-n", space, "address", "add", $"{Host(10 + number)}/24", "dev", "eth0");
            await RunAsync("ip", "-n", space, "route", "add", "default", "via", Host(1));
            // A long path would not fit a socket's name.
            _nodes.Add(new Node(space, IPAddress.Parse(Host(10 + number)), folder, Path.Combine(_slot.Folder, "data", $"{number}")));
        }
        await Task.WhenAll(_nodes.Select(static node => node.StartAsync()));
        var images = new BusyboxImages(Manager);
        await images.MakeAsync(Web, ["""CMD ["/bin/serve"]"""], ("bin/serve", Serve), ("www/cgi-bin/host", Named), ("www/cgi-bin/sh", Script), ("www/healthz", "well\n"));
        await images.MakeAsync(Mute, ["""CMD ["/bin/sh", "-c", "echo waiting for Godot; trap 'exit 0' TERM; sleep 1000000 & wait"]"""]);
        await images.MakeAsync(Broken, ["""CMD ["/bin/sh", "-c", "echo cannot find my lines >&2; sleep 1; exit 3"]"""]);
        if (count == 1) return;
        var file = Path.Combine(_slot.Folder, "images.tar");
        await DockerAsync("save", "-o", file, Web);
        foreach (var node in _nodes.Skip(1)) await DockerAsync(node, "load", "-i", file);
    }

    private async Task JoinAsync()
    {
        var manager = _nodes[0].Ip.ToString();
        await DockerAsync("swarm", "init", "--advertise-addr", manager, "--listen-addr", $"{manager}:2377");
        // A lost node is noticed after three heartbeats.
        await DockerAsync("swarm", "update", "--dispatcher-heartbeat", "2s");
        if (_nodes.Count == 1) return;
        var token = (await DockerAsync("swarm", "join-token", "-q", "worker")).Trim();
        foreach (var node in _nodes.Skip(1)) await DockerAsync(node, "swarm", "join", "--token", token, "--advertise-addr", node.Ip.ToString(), "--listen-addr", $"{node.Ip}:2377", $"{manager}:2377");
        await Retry.UntilAsync("all nodes are ready", async () => (await Manager.Services.ListNodesAsync(default)).Count(static node => node.Status.State == "ready") == _nodes.Count);
    }

    private async Task ClearNetworkAsync()
    {
        var (_, spaces) = await TryAsync("ip", "netns", "list");
        foreach (var space in spaces.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Split(' ')[0]).Where(space => space.StartsWith(Bridge + "-", StringComparison.Ordinal)))
            await TryAsync("ip", "netns", "delete", space);
        await TryAsync("ip", "link", "delete", Bridge);
    }

    private static Task<string> DockerAsync(Node node, params string[] arguments) => RunAsync("docker", ["-H", node.Address, .. arguments]);

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        var (error, output) = await TryAsync(program, arguments);
        return error is null ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {error}");
    }

    private static async Task<(string? Error, string Output)> TryAsync(string program, params string[] arguments)
    {
        var done = await Programs.RunAsync([program, .. arguments], "/", environment: new Dictionary<string, string> { ["DOCKER_HOST"] = "", ["DOCKER_TLS_VERIFY"] = "", ["DOCKER_CONTEXT"] = "" });
        return (done.Code == 0 ? null : $"{done.Code}: {done.Error}", done.Out);
    }

    private const string Serve = """
        #!/bin/sh
        echo "serving"
        trap 'exit 0' TERM INT
        httpd -f -p 8080 -h /www &
        wait
        """;

    private const string Named = """
        #!/bin/sh
        printf 'Content-Type: text/plain\r\n\r\n'
        hostname
        """;

    private const string Script = """
        #!/bin/sh
        printf 'Content-Type: text/plain\r\n\r\n'
        exec sh 2>&1
        """;

    /// <summary>One engine.</summary>
    /// <param name="space">Its network namespace.</param>
    /// <param name="ip">Its address there.</param>
    /// <param name="folder">Its sockets and logs.</param>
    /// <param name="data">Its images and containers.</param>
    internal sealed class Node(string space, IPAddress ip, string folder, string data) : IDisposable
    {
        private readonly List<Process> _processes = [];
        private EngineClient? _client;

        /// <summary>Its network namespace.</summary>
        public string Space => space;

        /// <summary>Its address in the swarm.</summary>
        public IPAddress Ip => ip;

        /// <summary>Where it listens.</summary>
        public string Address => $"unix://{folder}/docker.sock";

        /// <summary>Speaks to it.</summary>
        public EngineClient Client => _client!;

        /// <summary>What it logged.</summary>
        public string Log => File.Exists(Path.Combine(folder, "log")) ? File.ReadAllText(Path.Combine(folder, "log")) : "";

        /// <summary>Starts it.</summary>
        public async Task StartAsync()
        {
            var containerd = Path.Combine(folder, "containerd.sock");
            await File.WriteAllTextAsync(Path.Combine(folder, "containerd.toml"), "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n");
            Launch("/usr/bin/containerd", "--config", Path.Combine(folder, "containerd.toml"), "--root", Path.Combine(data, "containerd"), "--state", Path.Combine(folder, "exec", "containerd"), "--address", containerd);
            await Retry.UntilAsync("containerd listens", () => File.Exists(containerd));
            _client = new EngineClient(EngineAddress.Parse(Address), TimeProvider.System);
            Launch("/usr/sbin/dockerd", "--data-root", data, "--exec-root", Path.Combine(folder, "exec"), "--pidfile", Path.Combine(folder, "pid"), "--host", Address, "--containerd", containerd,
                "--config-file", Path.Combine(folder, "daemon.json"), "--bridge", "none");
            await Retry.UntilAsync("the engine answers", async () =>
            {
                if (_processes.Exists(static process => process.HasExited)) throw new InvalidOperationException($"the engine ended:\n{Log}");
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

        /// <summary>Takes the node's cable out: it runs on, and nobody hears of it.</summary>
        public Task CutAsync() => RunAsync("ip", "-n", space, "link", "set", "eth0", "down");

        /// <inheritdoc/>
        public void Dispose()
        {
            _client?.Dispose();
            // The engine first, or its containers' processes would be taken for crashed ones and restarted.
            foreach (var process in _processes.AsEnumerable().Reverse())
            {
                if (!process.HasExited) _ = Posix.kill(process.Id, Posix.SigKill);
                process.Dispose();
            }
        }

        private void Launch(string program, params string[] arguments)
        {
            File.WriteAllText(Path.Combine(folder, "daemon.json"), "{}");
            // The log is the program's own standard error: nobody has to read it for the engine to go on.
            var start = new ProcessStartInfo("/bin/sh",
                ["-c", "log=$1; space=$2; shift 2; exec nsenter --net=/run/netns/$space -- \"$0\" \"$@\" >>\"$log\" 2>&1 </dev/null", program, Path.Combine(folder, "log"), space, .. arguments]);
            start.Environment["PATH"] = $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin";
            foreach (var name in (string[])["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_DRIVER"]) start.Environment.Remove(name);
            _processes.Add(Process.Start(start)!);
        }
    }
}
