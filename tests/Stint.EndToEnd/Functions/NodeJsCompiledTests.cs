using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Functions;

/// <summary>A function of much JavaScript is compiled by V8 when it is deployed.</summary>
public sealed class NodeJsCompiledTests(SharedDaemon shared) : IClassFixture<SharedDaemon>
{
    private const string Toml = "[process]\nruntime = \"nodejs\"\n";

    // 100 KB, all of it called when it is loaded.
    private static readonly string Large = string.Concat(Enumerable.Range(0, 2000).Select(static i => $"exports.helper{i} = (value) => value + {i};\n")) + "for (const name of Object.keys(exports)) exports[name](1);\n";

    // A function that says whether V8 took its code, and that of a module, from what was compiled: only then `require` is the runtime's own.
    private const string Function = """
        const helpers = require('./helpers');
        module.exports = (req, res) => res.send(`${require.name} ${helpers.by} ${helpers.helper7(1)}`);
        """;

    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task Its_modules_come_from_what_was_compiled()
    {
        await Daemon.DeployAsync("compiled", Toml, ("index.js", Function), ("helpers.js", Large + "exports.by = require.name;"));
        Assert.Equal((200, "own own 8"), await Daemon.CallAsync("compiled"));
        await Daemon.DeployAsync("small", Toml, ("index.js", "module.exports = (req, res) => res.send(require.name);"));
        Assert.Equal((200, "require"), await Daemon.CallAsync("small"));
    }

    [Fact]
    public async Task It_is_that_of_the_code_and_of_the_memory_that_were_deployed_last()
    {
        await Daemon.DeployAsync("again", Toml, ("index.js", Function), ("helpers.js", Large + "exports.by = require.name;"));
        Assert.Equal((200, "own own 8"), await Daemon.CallAsync("again"));
        // As long as before: V8 could not tell.
        await Daemon.DeployAsync("again", Toml, ("index.js", Function), ("helpers.js", Large.Replace("value + 7;", "value + 8;", StringComparison.Ordinal) + "exports.by = require.name;"));
        Assert.Equal((200, "own own 9"), await Daemon.CallAsync("again"));
        await Daemon.DeployAsync("again", Toml + "memory = 128\n", ("index.js", Function), ("helpers.js", Large.Replace("value + 7;", "value + 8;", StringComparison.Ordinal) + "exports.by = require.name;"));
        Assert.Equal((200, "own own 9"), await Daemon.CallAsync("again"));
    }

    [Fact]
    public async Task What_Node_gives_to_modules_is_there()
    {
        await Daemon.DeployAsync("modules", Toml, ("helpers.js", Large), ("inner/index.js", "exports.parent = module.parent.filename; exports.own = [__filename, __dirname, require.resolve('../helpers'), __filename in require.cache];"),
            ("esm.mjs", "export default 'from esm';"), ("imports.js", "module.exports = [() => import(/* why */ './esm.mjs'), require.name];"), ("data.json", "{\"x\": 1}"), ("index.js", """
            require('./helpers');
            const inner = require('./inner');
            const imports = require('./imports');
            module.exports = async (req, res) => {
              const line = new Error('here').stack.split('\n')[1].replace(/^.*\//, '');
              const dynamic = [(await imports[0]()).default, imports[1]];
              res.json([inner.parent, inner.own, dynamic, require('./data.json').x, require.main !== module, this === undefined, line, typeof require.extensions['.js'], require.resolve.paths('x').length > 0, require.name]);
            };
            """));
        Assert.Equal((200, """["/fn/index.js",["/fn/inner/index.js","/fn/inner","/fn/helpers.js",true],["from esm","require"],1,true,false,"index.js:5:16)","function",true,"own"]"""), await Daemon.CallAsync("modules"));
    }

    [Fact]
    public async Task What_is_no_CommonJS_or_cannot_be_loaded_is_reported_as_ever()
    {
        await Daemon.DeployAsync("esm", Toml, ("package.json", "{\"type\": \"module\", \"main\": \"index.js\"}"), ("index.js", "import helpers from './helpers.cjs';\nexport default (req, res) => res.send(`${helpers.helper7(1)}`);"), ("helpers.cjs", Large));
        Assert.Equal((200, "8"), await Daemon.CallAsync("esm"));
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => Daemon.DeployAsync("broken", Toml, ("index.js", "require('./helpers');\nmodule.exports = (req, res => 1;"), ("helpers.js", Large)));
        Assert.Contains("the module cannot be loaded: SyntaxError", failure.Message, StringComparison.Ordinal);
        failure = await Assert.ThrowsAsync<InvalidOperationException>(() => Daemon.DeployAsync("throwing", Toml, ("index.js", "require('./helpers');\nthrow new Error('the reason why');"), ("helpers.js", Large)));
        Assert.Contains("the reason why", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_loading_writes_and_what_was_uploaded_in_its_place_are_not_in_the_bundle()
    {
        await Daemon.DeployAsync("writes", Toml, ("index.js", """
            require('./helpers');
            const fs = require('node:fs');
            try { fs.writeFileSync(`${__dirname}/left.txt`, 'x'); } catch { /* read-only, as it should be when it is called */ }
            module.exports = (req, res) => res.send(`${fs.readdirSync(__dirname)} ${require.name}`);
            """), ("helpers.js", Large), (".stint-compiled", "garbage"));
        Assert.Equal((200, ".stint-compiled,helpers.js,index.js own"), await Daemon.CallAsync("writes"));
        await Daemon.DeployAsync("garbage", Toml, ("index.js", "const fs = require('node:fs');\nmodule.exports = (req, res) => res.send(fs.readdirSync(__dirname).join());"), (".stint-compiled", "garbage"));
        Assert.Equal((200, "index.js"), await Daemon.CallAsync("garbage"));
    }
}
