using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Wasm;

/// <summary>What is deployed, and what is refused, with its reason, before anything is changed.</summary>
public sealed class DeploymentTests(WasmDaemon shared) : IClassFixture<WasmDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    [Theory]
    [InlineData("(memory (export \"memory\") 1)", "it exports neither __invoke (FunLess) nor _start (a WASI command)")]
    [InlineData(WasmDaemon.FunLess, "imports fl_imps, but does not export __invoke")]
    [InlineData("(func (export \"_start\"))", "the module has no memory")]
    [InlineData("(memory 1) (func (export \"_start\"))", "does not export its memory")]
    [InlineData("(memory (export \"memory\") 1) (func (export \"__invoke\") (param i64) (result i32) (i32.const 0))", "exports __invoke as (i64) -> i32; for FunLess's interface it must be (i32) -> i32")]
    [InlineData("(import \"env\" \"puts\" (func (param i32) (result i32))) (memory (export \"memory\") 1) (func (export \"_start\"))", "imports \"env\" \"puts\"")]
    [InlineData("(import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i64) (result i32))) (memory (export \"memory\") 1) (func (export \"_start\"))", "as (i64) -> i32; it is (i32, i32, i32, i32) -> i32")]
    [InlineData("(memory (export \"memory\") 1) (func $s) (start $s) (func (export \"_start\"))", "has a start function")]
    [InlineData("(memory (export \"memory\") 2000) (func (export \"_start\"))", "begins with 125 MiB of memory, more than the function's limit of 64 MiB")]
    // What only V8 sees: code that is not valid, and data that does not fit.
    [InlineData("(memory (export \"memory\") 1) (func (export \"_start\") (i64.const 1) (drop (i32.eqz)))", "the module is not valid")]
    [InlineData("(memory (export \"memory\") 1) (data (i32.const 65536) \"x\") (func (export \"_start\"))", "the module is not valid")]
    public async Task A_module_that_cannot_be_a_function_is_refused_with_the_reason(string fields, string reason) =>
        Assert.Contains(reason, await shared.RefusalAsync(await WasmDaemon.WatAsync(fields)), StringComparison.Ordinal);

    [Fact]
    public async Task A_module_of_more_than_20_MiB_is_deployed_and_one_beyond_the_limit_is_not()
    {
        var module = await WasmDaemon.WatAsync(WasmDaemon.Echo);
        await shared.DeployAsync("heavy", [.. module, .. Custom(20 << 20)]);
        Assert.Equal((200, "1"), await Daemon.CallAsync("heavy", "1"));
        Assert.Contains("larger than 64 MiB", await shared.RefusalAsync([.. module, .. Custom(64 << 20)]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_module_alone_is_deployed_by_the_command_line_and_called()
    {
        var path = Path.Combine(Daemon.Temporary, "alone.wasm");
        await File.WriteAllBytesAsync(path, await WasmDaemon.WatAsync(WasmDaemon.Echo));
        (await Daemon.CliAsync("deploy", path, "--memory", "2")).Good();
        Assert.Equal("World", (await Daemon.CliAsync("invoke", "alone", "-d", "World")).Good().Trim());
        Assert.Matches("(?m)^alone +wasm +ready ", (await Daemon.CliAsync("ls")).Good());
        Assert.Equal(2, (await Daemon.DescribeAsync("alone")).GetProperty("memoryMiB").GetInt32());
        File.Delete(path);
        var wrong = await Daemon.CliAsync("deploy", Path.Combine(Daemon.Temporary, "nothing.wasm"));
        Assert.Contains("no folder, and no .wasm file", wrong.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("wasm-c", "Hello, World!")]
    [InlineData("wasm-as", "\"Hello, World!\"")]
    public async Task A_new_function_builds_deploys_and_answers(string kind, string answer)
    {
        var name = kind.Replace('-', '_');
        (await Daemon.CliAsync(["new", kind, name], "", Daemon.Temporary)).Good();
        var folder = Path.Combine(Daemon.Temporary, name);
        // The compiler that is installed already.
        if (kind == "wasm-as") Directory.CreateSymbolicLink(Path.Combine(folder, "node_modules"), WasmDaemon.NpmFile(""));
        (await Programs.RunAsync([Path.Combine(folder, "build.sh")], "/")).Good();
        (await Daemon.CliAsync("deploy", folder)).Good();
        Assert.Equal(answer, (await Daemon.CliAsync("invoke", name, "-d", "World")).Good().Trim());
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_new_version_takes_over_and_the_old_one_goes()
    {
        const string answers = "(func (export \"__invoke\") (param i32) (result i32) (call $respond (i32.const 0) (i32.const 1)) (i32.const 0))";
        for (var version = 1; version <= 3; version++)
        {
            await shared.DeployWatAsync("changes", $"{WasmDaemon.FunLess} (data (i32.const 0) \"{version}\") {answers}");
            Assert.Equal((200, $"{version}"), await Daemon.CallAsync("changes"));
        }
    }

    // A custom section, which says nothing: id 0, size, name "x", zeroes.
    private static byte[] Custom(int size)
    {
        var content = new byte[size];
        (content[0], content[1]) = (1, (byte)'x');
        var length = new List<byte>();
        for (var rest = size; ; rest >>= 7)
        {
            length.Add((byte)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
            if (rest <= 0x7f) break;
        }
        return [0, .. length, .. content];
    }
}
