using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Wire;

/// <summary>A daemon with the functions that these tests call, and a small limit on bodies.</summary>
public sealed class WireDaemon : SharedDaemon
{
    internal const int MaxBodyMiB = 32;

    /// <inheritdoc/>
    protected override IReadOnlyList<string> Flags => ["--max-body", $"{MaxBodyMiB}"];

    /// <inheritdoc/>
    protected override async Task PrepareAsync()
    {
        await Daemon.DeployPythonAsync("show", """
            import stint
            def fn(input, headers, request):
                return {"method": request.method, "path": request.path, "query": request.query, "headers": headers, "body": input, "call": request.call_id}
            """);
        await Daemon.DeployAsync("echo", "concurrent-requests = 4\n[process]\nruntime = \"nodejs\"\nmemory = 512\n", ("index.js", "module.exports = (req, res) => res.send(req.rawBody)"));
        await Daemon.DeployPythonAsync("teapot", """
            import stint
            def fn(input, headers):
                return stint.Response("short and stout", status=418, headers={"X-Kettle": "on", "content-type": "text/teapot", "Connection": "close"})
            """);
        await Daemon.DeployAsync("count", "[process]\nruntime = \"binary\"\n", ("fn.sh", "#!/bin/sh\nwc -c\n"));
        await Daemon.DeployAsync("source", "[process]\nruntime = \"binary\"\n", ("fn.sh", "#!/bin/sh\nhead -c \"$(cat)\" /dev/zero\n"));
        // Never ends, or breaks off.
        await Daemon.DeployPythonAsync("pieces", """
            import time
            def fn(input, headers, request):
                yield "begun"
                if request.path == "/broken": raise ValueError("too late to say")
                while True:
                    time.sleep(0.05)
                    yield "more"
            """, top: "max-instances = 1");
        await Daemon.DeployPythonAsync("slow", "import time\ndef fn(input, headers):\n    time.sleep(float(input))\n    return 'done'\n", top: "max-instances = 1");
    }
}
