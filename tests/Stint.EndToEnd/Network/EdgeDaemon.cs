using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Network;

/// <summary>A daemon on an edge host of its own, with functions that run whatever Python they are sent: <c>probe</c> says nothing about its network, <c>other</c> is its neighbour, <c>offline</c> has none.</summary>
public sealed class EdgeDaemon : IAsyncLifetime
{
    internal const string RunsItsInput = """
        def fn(input, headers):
            scope = {}
            exec(input, scope)
            return str(scope.get('result'))
        """;

    // What a connection comes to: what the server says, or the name of the error.
    private const string Ask = """
        import socket
        def ask(address, port, kind=socket.SOCK_STREAM, limit=20):
            with socket.socket(socket.AF_INET, kind) as s:
                s.settimeout(limit)
                try:
                    s.connect((address, port))
                    if kind == socket.SOCK_DGRAM: s.send(b'?')
                    return s.recv(100).decode()
                except OSError as e: return type(e).__name__ if e.errno is None else errno.errorcode[e.errno]
        import errno

        """;

    internal EdgeNetwork World { get; private set; } = null!;

    internal StintDaemon Daemon { get; private set; } = null!;

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        World = await EdgeNetwork.MakeAsync();
        Daemon = await World.StartDaemonAsync();
        await Daemon.DeployPythonAsync("probe", RunsItsInput, top: "keepalive = -1");
        await Daemon.DeployPythonAsync("other", RunsItsInput, "network = \"outbound\"", "keepalive = -1");
        await Daemon.DeployPythonAsync("offline", RunsItsInput, "network = \"none\"");
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        await Daemon.DisposeAsync();
        Assert.Empty(await World.LinksAsync());
        Assert.Empty(await EdgeNetwork.RunAsync(World.Edge, "nft", "list", "ruleset"));
        await World.DisposeAsync();
    }

    /// <summary>Runs Python in a function; what it leaves in <c>result</c>.</summary>
    internal async Task<string> RunAsync(string python, string function = "probe")
    {
        var (status, body) = await Daemon.CallAsync(function, Ask + python);
        Assert.True(status == 200, $"{status}: {body}");
        return body;
    }

    /// <summary>What a function gets from an address.</summary>
    internal Task<string> AskAsync(string address, int port = EdgeNetwork.Port, string function = "probe") => RunAsync($"result = ask('{address}', {port})", function);
}
