using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Functions;

/// <summary>A function's Python files are compiled when it is deployed, if there is enough of them.</summary>
public sealed class BytecodeTests(SharedDaemon shared) : IClassFixture<SharedDaemon>
{
    // A module of 20 KB, and a function that says whether both came from bytecode that was compiled beforehand and is not compared with its source.
    private static readonly string Large = string.Concat(Enumerable.Range(0, 500).Select(static i => $"def helper_{i}(value):\n    return value + {i}\n"));
    private const string Function = """
        import helpers
        def compiled(module):
            try:
                with open(module['__cached__'], 'rb') as file: return file.read(8)[4] == 1
            except OSError: return False
        def fn(input, headers): return f"{compiled(globals())} {compiled(vars(helpers))} {helpers.helper_7(1)}"
        """;

    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task It_is_there_for_every_file()
    {
        await Daemon.DeployAsync("compiled", "[process]\nruntime = \"python3\"\n", ("fn.py", Function), ("helpers/__init__.py", "from helpers.all import *\nfrom helpers.all import helper_7"), ("helpers/all.py", Large));
        Assert.Equal((200, "True True 8"), await Daemon.CallAsync("compiled"));
    }

    [Fact]
    public async Task It_is_that_of_the_code_that_was_deployed_last()
    {
        await Daemon.DeployAsync("again", "[process]\nruntime = \"python3\"\n", ("fn.py", Function), ("helpers.py", Large));
        Assert.Equal((200, "True True 8"), await Daemon.CallAsync("again"));
        await Daemon.DeployAsync("again", "[process]\nruntime = \"python3\"\n", ("fn.py", Function), ("helpers.py", Large.Replace("value + 7\n", "value + 8\n", StringComparison.Ordinal)));
        Assert.Equal((200, "True True 9"), await Daemon.CallAsync("again"));
    }

    [Fact]
    public async Task Bytecode_that_was_deployed_beside_other_code_is_replaced()
    {
        var folder = Path.Combine(Daemon.Root, "stale");
        FunctionFiles.Write(folder, ("function.toml", "[process]\nruntime = \"python3\"\n"), ("code/fn.py", Function), ("code/helpers.py", "def helper_7(value): return 'stale'\n"));
        (await Programs.RunAsync(["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "code"], folder, "")).Good();
        await File.WriteAllTextAsync(Path.Combine(folder, "code/helpers.py"), Large);
        (await Daemon.CliAsync("deploy", folder)).Good();
        Assert.Equal((200, "True True 8"), await Daemon.CallAsync("stale"));
    }

    [Fact]
    public async Task A_syntax_error_is_reported_by_whoever_loads_the_code()
    {
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() =>
            Daemon.DeployAsync("broken", "[process]\nruntime = \"python3\"\n", ("fn.py", "import helpers\ndef fn(input, headers) return 1\n"), ("helpers.py", Large)));
        Assert.Contains("fn.py cannot be loaded: SyntaxError: expected ':' (fn.py, line 2)", failure.Message, StringComparison.Ordinal);
        // One that nobody imports is nobody's trouble.
        await Daemon.DeployAsync("template", "[process]\nruntime = \"python3\"\n", ("fn.py", Function), ("helpers.py", Large), ("template.py", "{{ this is none }}"));
        Assert.Equal((200, "True True 8"), await Daemon.CallAsync("template"));
    }
}
