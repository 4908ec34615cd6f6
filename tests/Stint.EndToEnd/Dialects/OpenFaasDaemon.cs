using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Dialects;

/// <summary>A daemon with functions that OpenFaaS's clients call.</summary>
public sealed class OpenFaasDaemon : SharedDaemon
{
    /// <inheritdoc/>
    protected override async Task PrepareAsync()
    {
        const string echo = """
            module.exports = (req, res) => {
              if (req.path === '/moved') return res.status(302).set('Location', 'http://elsewhere.example/').set('X-Call-Id', 'mine').send('over there');
              if (req.path === '/bare') { res.removeHeader('Content-Type'); return res.status(200).end('bare'); }
              res.status(200).set('X-Method', req.method).set('X-Path', req.path).set('X-Query', req.originalUrl || req.url).set('X-Saw', (req.headers['x-call-id'] || '') + ' ' + (req.headers['x-start-time'] || ''));
              res.type('text/plain').send(req.body ? Buffer.from(req.body) : '');
            };
            """;
        await Daemon.DeployAsync("echo", "[process]\nruntime = \"nodejs\"\n", ("index.js", echo), ("package.json", "{\"main\":\"index.js\"}"));
        await Daemon.DeployAsync("echo.dev", "[process]\nruntime = \"nodejs\"\n", ("index.js", "module.exports = (req, res) => res.send('dev');"), ("package.json", "{\"main\":\"index.js\"}"));
        await Daemon.DeployPythonAsync("hello", "def fn(input, headers):\n    print('saw', input, flush=True)\n    return 'hello ' + (input or '')", top: "max-instances = 20");
    }
}
