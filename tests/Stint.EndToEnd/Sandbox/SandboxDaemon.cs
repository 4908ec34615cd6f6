using Stint.EndToEnd.Fixtures;
using Stint.Network;
using Stint.Network.Netlink;

namespace Stint.EndToEnd.Sandbox;

/// <summary>
/// A daemon with a function that runs whatever Python it is sent, a victim beside it, one that has no network and one that may use the host's. It runs in a network namespace of its own, so that its
/// functions can have networks as they have by default.
/// </summary>
public class SandboxDaemon : SharedDaemon
{
    internal const string RunsItsInput = """
        def fn(input, headers):
            scope = {}
            exec(input, scope)
            return str(scope.get('result'))
        """;

    /// <summary>Text in the victim's code that nobody else may read.</summary>
    internal const string Secret = "the-secret-of-the-victim";

    /// <summary>The network of the daemon's host; null = that of the test.</summary>
    internal NetworkNamespace? Namespace { get; private set; }

    /// <inheritdoc/>
    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        Namespace?.Dispose();
    }

    /// <inheritdoc/>
    private protected override async Task<DaemonSetup> SetupAsync() => new() { Flags = Flags, Namespace = Namespace = await MakeNamespaceAsync() };

    /// <summary>Makes the network that the daemon's host has.</summary>
    private protected virtual async Task<NetworkNamespace?> MakeNamespaceAsync()
    {
        var space = await NetworkNamespace.MakeAsync();
        using var host = await space.RunAsync(static () => new RouteSocket());
        host.SetUp(host.Find("lo")!.Index);
        return space;
    }

    /// <inheritdoc/>
    protected override async Task PrepareAsync()
    {
        await Daemon.DeployPythonAsync("attacker", RunsItsInput, "memory = 128\npids = 32\ntmp = 16");
        await Daemon.DeployPythonAsync("offline", RunsItsInput, "network = \"none\"");
        await Daemon.DeployPythonAsync("networked", RunsItsInput, "network = \"host\"");
        await Daemon.DeployPythonAsync("victim", $"# {Secret}\nsecret = '{Secret}'\ndef fn(input, headers): return 'unharmed'\n", top: "min-instances = 1\nkeepalive = -1");
        await Daemon.CallAsync("victim");
    }

    /// <summary>Runs Python in the attacker's sandbox; what it leaves in <c>result</c>.</summary>
    internal async Task<string> AttackAsync(string python, string function = "attacker")
    {
        var (status, body) = await Daemon.CallAsync(function, python);
        Assert.True(status == 200, $"{status}: {body}");
        return body;
    }
}
