using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Dialects;

/// <summary>A daemon with FunLess's port, and functions of every kind of runtime that needs nothing but this host.</summary>
public sealed class FunLessDaemon : SharedDaemon
{
    internal int Port { get; } = FreePorts.Take();

    /// <summary>The tokens, as <c>fl</c> finds them.</summary>
    internal string TokenFile => Path.Combine(Daemon.State, "funless", "tokens");

    internal FlClient Guest { get; private set; } = null!;

    internal FlClient Admin { get; private set; } = null!;

    internal FlClient Nobody { get; private set; } = null!;

    /// <inheritdoc/>
    private protected override Task<DaemonSetup> SetupAsync() => Task.FromResult(new DaemonSetup { Flags = ["--funless-port", $"{Port}", "--max-upload", "4"] });

    /// <inheritdoc/>
    protected override async Task PrepareAsync()
    {
        Guest = new FlClient(Port, FlClient.TokenIn(TokenFile, "Guest"));
        Admin = new FlClient(Port, FlClient.TokenIn(TokenFile, "Admin"));
        Nobody = new FlClient(Port, null);
        await Daemon.DeployPythonAsync("py", "import json\ndef fn(input, headers):\n    if not input: return 'nothing'\n    args = json.loads(input)\n    if args.get('boom'): raise ValueError('boom')\n    return json.dumps({'got': args})\n");
        await Daemon.DeployPythonAsync("plain", "def fn(input, headers): return 'not \"json\" at all: ' + input\n");
        await Daemon.DeployAsync("with-dash.other", "[process]\nruntime = \"nodejs\"\n", ("index.js", "module.exports = (req, res) => { const args = JSON.parse(req.body); if (args.status) return res.status(args.status).send('as asked'); if (args.bytes) return res.send(Buffer.from([0xff, 0xfe])); if (args.big) return res.send('\"' + 'x'.repeat(args.big) + '\"'); res.json({ node: args }); };"), ("package.json", "{\"main\":\"index.js\"}"));
        await Daemon.DeployAsync("shell", "[process]\nruntime = \"binary\"\n", ("fn.sh", "#!/bin/sh\ncat\n"));
    }

    /// <inheritdoc/>
    public override async Task DisposeAsync()
    {
        Guest?.Dispose();
        Admin?.Dispose();
        Nobody?.Dispose();
        await base.DisposeAsync();
    }
}
