using System.IO.Compression;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Functions;

/// <summary>In the process sandbox.</summary>
public sealed class SandboxBuildTests(SharedDaemon shared) : BuildTests(shared), IClassFixture<SharedDaemon>;

/// <summary>Dependencies: built in the sandbox, once for equal files, and the last lines of a failure reach whoever deploys.</summary>
public abstract class BuildTests(SharedDaemon shared)
{
    private StintDaemon Daemon => shared.Daemon;

    /// <summary>What of the host a build must not see.</summary>
    protected virtual IReadOnlyList<string> HostFolders => ["/etc/shadow", "/root", "/home", "/var"];

    [Fact]
    public async Task A_wheel_in_the_code_folder_is_installed()
    {
        var folder = Path.Combine(Daemon.Root, "wheel");
        FunctionFiles.Write(folder,
            ("function.toml", "[process]\nruntime = \"python3\"\n"),
            ("code/fn.py", "import greeter\ndef fn(i, h): return greeter.greet(i)"),
            ("code/requirements.txt", "# ours\n./greeter-1.0-py3-none-any.whl\n"));
        await using (var wheel = File.Create(Path.Combine(folder, "code/greeter-1.0-py3-none-any.whl"))) wheel.Write(Wheel());
        (await Daemon.CliAsync("deploy", folder)).Good();
        Assert.Equal((200, "Hello, Ada"), await Daemon.CallAsync("wheel", "Ada"));
    }

    [Fact]
    public async Task A_package_from_the_npm_registry_is_installed()
    {
        await Daemon.DeployAsync("npm", "[process]\nruntime = \"nodejs\"\n",
            ("index.js", "const isOdd = require('is-odd'); module.exports = (req, res) => res.send(String(isOdd(Number(req.body))))"),
            ("package.json", """{ "name": "fn", "main": "index.js", "dependencies": { "is-odd": "3.0.1" } }"""));
        Assert.Equal((200, "true"), await Daemon.CallAsync("npm", "3"));
        Assert.Equal((200, "false"), await Daemon.CallAsync("npm", "4"));
    }

    [Fact]
    public async Task A_package_in_the_code_folder_is_installed_and_its_scripts_do_not_run()
    {
        await Daemon.DeployAsync("local", "[process]\nruntime = \"nodejs\"\n",
            ("index.js", "module.exports = (req, res) => res.send(require('mine') + require('fs').existsSync('lib/ran'))"),
            ("package.json", """{ "name": "fn", "main": "index.js", "dependencies": { "mine": "file:lib" } }"""),
            ("lib/package.json", """{ "name": "mine", "version": "1.0.0", "main": "mine.js", "scripts": { "install": "touch ran", "postinstall": "touch ran" } }"""),
            ("lib/mine.js", "module.exports = 'mine '"));
        Assert.Equal((200, "mine false"), await Daemon.CallAsync("local"));
    }

    [Fact]
    public async Task Equal_dependencies_are_built_once()
    {
        const string package = """{ "name": "fn", "main": "index.js", "dependencies": { "is-number": "7.0.0" } }""";
        const string code = "module.exports = (req, res) => res.send(String(require('is-number')(5)))";
        await Daemon.DeployAsync("first", "[process]\nruntime = \"nodejs\"\n", ("index.js", code), ("package.json", package));
        var after = await BuildsAsync();
        await Daemon.DeployAsync("second", "[process]\nruntime = \"nodejs\"\n", ("index.js", code + "// other code"), ("package.json", package));
        Assert.Equal(after, await BuildsAsync());
        Assert.Equal((200, "true"), await Daemon.CallAsync("second"));
    }

    [Fact]
    public async Task A_failed_build_is_400_with_the_last_lines_and_leaves_nothing()
    {
        var zip = FunctionFiles.Zip(("fn.py", "def fn(i, h): return 1"), ("requirements.txt", "./no-such-package-1.0-py3-none-any.whl\n"));
        var (status, body) = await Daemon.ManageAsync("upload", $$"""{"name":"failing","env":"python3","threads":1,"zip":"{{Convert.ToBase64String(zip)}}","envs":[]}""");
        Assert.Equal(400, status);
        Assert.Contains("pip install failed", body, StringComparison.Ordinal);
        Assert.Contains("no-such-package", body, StringComparison.Ordinal);
        Assert.Equal(404, (await Daemon.CallAsync("failing")).Status);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Daemon.State, "staging")));
    }

    [Fact]
    public async Task No_dependencies_means_no_package_tool()
    {
        var before = await BuildsAsync();
        await Daemon.DeployAsync("plain", "[process]\nruntime = \"python3\"\n", ("fn.py", "def fn(i, h): return 'plain'"), ("requirements.txt", ""));
        Assert.Equal((200, "plain"), await Daemon.CallAsync("plain"));
        Assert.Equal(before, await BuildsAsync());
    }

    [Fact]
    public async Task A_build_cannot_read_the_daemons_folders_or_the_hosts_secrets()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => Daemon.DeployAsync("spy", "[process]\nruntime = \"python3\"\n",
            ("fn.py", "def fn(i, h): return 1"),
            ("requirements.txt", "./pkg\n"),
            // PEP 517: a build backend of its own, which runs whatever it likes when pip asks for the wheel.
            ("pkg/pyproject.toml", "[build-system]\nrequires = []\nbuild-backend = \"spy\"\nbackend-path = [\".\"]\n"),
            ("pkg/spy.py", $"import os\ndef build_wheel(*a, **k):\n    for path in '{string.Join(' ', [.. HostFolders, Daemon.State, Daemon.Registry])}'.split():\n        print('SEEN' if os.path.exists(path) else 'hidden', path)\n    print('rights', open('/proc/self/status').read().split('CapEff:')[1].split()[0])\n    raise SystemExit('done looking')\n")));
        var log = string.Join('\n', Directory.EnumerateFiles(Path.Combine(Daemon.State, "logs"), "*", SearchOption.AllDirectories).Select(File.ReadAllText));
        Assert.Contains("hidden /etc/shadow", log, StringComparison.Ordinal);
        Assert.Contains("rights 0000000000000000", log, StringComparison.Ordinal);
        Assert.DoesNotContain("SEEN", log, StringComparison.Ordinal);
    }

    private async Task<string> BuildsAsync() =>
        (await Daemon.Management.GetStringAsync("metrics")).Split('\n').First(static line => line.StartsWith("stint_build_duration_seconds_count", StringComparison.Ordinal));

    // PEP 427: a zip with the module and its metadata.
    private static byte[] Wheel()
    {
        using var bytes = new MemoryStream();
        using (var zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (path, text) in new[]
            {
                ("greeter.py", "def greet(name): return f'Hello, {name}'\n"),
                ("greeter-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n"),
                ("greeter-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
                ("greeter-1.0.dist-info/RECORD", "greeter.py,,\ngreeter-1.0.dist-info/METADATA,,\ngreeter-1.0.dist-info/WHEEL,,\ngreeter-1.0.dist-info/RECORD,,\n"),
            })
            {
                using var writer = new StreamWriter(zip.CreateEntry(path).Open());
                writer.Write(text);
            }
        }
        return bytes.ToArray();
    }
}
