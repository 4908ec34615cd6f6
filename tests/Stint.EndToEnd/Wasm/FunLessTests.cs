using System.Net;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Wasm;

/// <summary>FunLess's interface: how a call can end, and that nothing of it is left for the next.</summary>
public sealed class FunLessTests(WasmDaemon shared) : IClassFixture<WasmDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task A_module_gets_its_input_and_its_answer_is_json()
    {
        using var answer = await Daemon.Http.PostAsync("echo", new StringContent("{\"a\":[1,2]}"));
        Assert.Equal((HttpStatusCode.OK, "application/json"), (answer.StatusCode, answer.Content.Headers.ContentType!.ToString()));
        Assert.Equal("{\"a\":[1,2]}", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Without_a_body_the_input_is_an_empty_object() => Assert.Equal("{}", await Daemon.Http.GetStringAsync("echo"));

    [Theory]
    [InlineData("error", "(call $fail (i32.const 0) (i32.const 9)) (i32.const 1)", "my reason\n")]
    [InlineData("silent", "(i32.const 1)", "the function failed (__invoke returned 1) and did not say why\n")]
    [InlineData("nothing", "(i32.const 0)", "the function ended without an answer: it called neither __insert_response nor __insert_error\n")]
    [InlineData("trap", "(unreachable)", "the function broke off: unreachable\n")]
    [InlineData("division", "(i32.div_u (i32.const 1) (i32.const 0))", "the function broke off: divide by zero\n")]
    [InlineData("outside", "(i32.load (i32.const -4))", "the function broke off: memory access out of bounds\n")]
    [InlineData("indirect", "(call_indirect (result i32) (i32.const 5))", "the function broke off: table index is out of bounds\n")]
    [InlineData("deep", "(call $deep (i32.const 0))", "the function broke off: its calls are nested too deeply (stack overflow)\n")]
    [InlineData("input", "(call $get (i32.const -1)) (i32.const 0)", "the function broke off: __get_input_data was given 2 bytes at 4294967295, which is outside of its memory of 65536 bytes\n")]
    [InlineData("inputend", "(call $get (i32.const 65535)) (i32.const 0)", "the function broke off: __get_input_data was given 2 bytes at 65535, which is outside of its memory of 65536 bytes\n")]
    [InlineData("response", "(call $respond (i32.const 65000) (i32.const 537)) (i32.const 0)", "the function broke off: __insert_response was given 537 bytes at 65000, which is outside of its memory of 65536 bytes\n")]
    [InlineData("longest", "(call $respond (i32.const 0) (i32.const -1)) (i32.const 0)", "the answer is longer than the function's limit of 16 MiB; raise `output` in [wasm]\n")]
    [InlineData("logged", "(call $log (i32.const -5) (i32.const 10)) (i32.const 0)", "the function broke off: __console_log was given 10 bytes at 4294967291, which is outside of its memory of 65536 bytes\n")]
    [InlineData("reason", "(call $fail (i32.const 65530) (i32.const 10)) (i32.const 1)", "the function broke off: __insert_error was given 10 bytes at 65530, which is outside of its memory of 65536 bytes\n")]
    [InlineData("status", "(call $http (i32.const 0) (i32.const 0) (i32.const 65535) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0)",
        "the function broke off: __http_request was given 2 bytes at 65535, which is outside of its memory of 65536 bytes\n")]
    public async Task A_call_that_fails_is_500_with_the_reason_and_others_go_on(string name, string code, string message)
    {
        await shared.DeployWatAsync(name, $"""
            {WasmDaemon.FunLess}
            (table 1 funcref)
            (data (i32.const 0) "my reason")
            (func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))
            (func (export "__invoke") (param $n i32) (result i32) {code})
            """);
        Assert.Equal((500, message), await Daemon.CallAsync(name));
        Assert.Equal((500, message), await Daemon.CallAsync(name));
        Assert.Equal((200, "1"), await Daemon.CallAsync("echo", "1"));
    }

    [Fact]
    public async Task Nothing_of_a_call_is_left_for_the_next()
    {
        // Counts in a global, in memory, in a table, in data that is dropped, and in data that the module brought along; answers with one digit each.
        await shared.DeployWatAsync("counts", $"""
            {WasmDaemon.FunLess}
            (global $g (mut i32) (i32.const 48))
            (table $t 2 funcref)
            (elem declare func $f)
            (func $f)
            (data (i32.const 16) "0")
            (data $passive "0")
            (func (export "__invoke") (param $n i32) (result i32)
              (global.set $g (i32.add (global.get $g) (i32.const 1)))
              (i32.store8 (i32.const 0) (global.get $g))
              (i32.store8 (i32.const 16) (i32.add (i32.load8_u (i32.const 16)) (i32.const 1)))
              (i32.store8 (i32.const 1) (i32.load8_u (i32.const 16)))
              (i32.store (i32.const 40000) (i32.add (i32.load (i32.const 40000)) (i32.const 1)))
              (i32.store8 (i32.const 2) (i32.add (i32.load (i32.const 40000)) (i32.const 48)))
              (i32.store8 (i32.const 3) (i32.add (i32.const 49) (i32.eqz (ref.is_null (table.get $t (i32.const 1))))))
              (table.set $t (i32.const 1) (ref.func $f))
              (memory.init $passive (i32.const 4) (i32.const 0) (i32.const 1))
              (data.drop $passive)
              (call $get (i32.const 60000))
              (call $respond (i32.const 0) (i32.const 5)) (i32.const 0))
            """);
        for (var i = 0; i < 30; i++) Assert.Equal((200, "11110"), await Daemon.CallAsync("counts", $"\"a secret {i}\""));
    }

    [Fact]
    public async Task Nothing_that_a_call_wrote_is_found_by_another_module_or_call()
    {
        // The one fills its whole memory with the input's first byte; the other, of the same size, adds up all that it finds in its own, before it touches any of it.
        const string fill = "(memory.fill (i32.const 0) (i32.const 65) (i32.const 65536)) (call $respond (i32.const 0) (i32.const 1)) (i32.const 0)";
        const string sum = """
            (local $at i32) (local $sum i32)
            (loop $next
              (local.set $sum (i32.or (local.get $sum) (i32.load8_u (local.get $at))))
              (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 65536))))
            (i32.store8 (i32.const 0) (i32.add (i32.const 48) (i32.ne (local.get $sum) (i32.const 0))))
            """;
        await shared.DeployWatAsync("fills", $"{WasmDaemon.FunLess} (func (export \"__invoke\") (param $n i32) (result i32) {fill})");
        await shared.DeployWatAsync("looks", $"{WasmDaemon.FunLess} (func (export \"__invoke\") (param $n i32) (result i32) {sum} (call $respond (i32.const 0) (i32.const 1)) (memory.fill (i32.const 1) (i32.const 65) (i32.const 60000)) (i32.const 0))");
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal((200, "A"), await Daemon.CallAsync("fills"));
            Assert.Equal((200, "0"), await Daemon.CallAsync("looks"));
        }
    }

    [Fact]
    public async Task Memory_grows_to_the_functions_limit_and_is_small_again_for_the_next_call()
    {
        // Grows page by page until that fails; answers with the first size and the last, as two characters.
        await shared.DeployWatAsync("grows", $"""
            {WasmDaemon.FunLess}
            (func (export "__invoke") (param $n i32) (result i32)
              (i32.store8 (i32.const 0) (i32.add (memory.size) (i32.const 32)))
              (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
              (i32.store8 (i32.const 1) (i32.add (memory.size) (i32.const 32)))
              (i32.store8 (i32.const 2097151) (i32.const 1))
              (call $get (i32.const 2097148))
              (call $respond (i32.const 0) (i32.const 2)) (i32.const 0))
            """, "memory = 2");
        for (var i = 0; i < 10; i++) Assert.Equal((200, $"{(char)33}{(char)64}"), await Daemon.CallAsync("grows"));
    }

    [Fact]
    public async Task A_line_of_the_console_is_in_the_log()
    {
        await shared.DeployWatAsync("logs", $"{WasmDaemon.FunLess} (data (i32.const 0) \"one line\") (func (export \"__invoke\") (param $n i32) (result i32) (call $log (i32.const 0) (i32.const 8)) (call $respond (i32.const 0) (i32.const 1)) (i32.const 0))");
        await Daemon.CallAsync("logs");
        await Retry.UntilAsync("the line is logged", async () => (await Daemon.LogsAsync("logs")).Contains("one line", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_large_body_goes_in_and_comes_out()
    {
        await shared.DeployWatAsync("large", WasmDaemon.Echo.Replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 80)", StringComparison.Ordinal));
        var body = string.Concat(Enumerable.Range(0, 300_000).Select(static i => $"{i:x6}\n"));
        Assert.Equal((200, body), await Daemon.CallAsync("large", body));
        using var tooLarge = await Daemon.Http.PostAsync("large", new ByteArrayContent(new byte[5 << 20]));
        Assert.Contains("__get_input_data was given", await tooLarge.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await shared.DeployAsync("small", await WasmDaemon.WatAsync(WasmDaemon.Echo), "memory = 1");
        using var refused = await Daemon.Http.PostAsync("small", new ByteArrayContent(new byte[(1 << 20) + 1]));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.StatusCode);
    }

    [Fact]
    public async Task AssemblyScripts_abort_says_why()
    {
        await shared.DeployWatAsync("aborts", $$"""
            (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
            {{WasmDaemon.FunLess}}
            (data (i32.const 0) "\08\00\00\00n\00o\00p\00e\00")
            (func (export "__invoke") (param $n i32) (result i32) (call $abort (i32.const 4) (i32.const 0) (i32.const 7) (i32.const 9)) (i32.const 0))
            """);
        Assert.Equal((500, "the function broke off: abort: nope at :7:9\n"), await Daemon.CallAsync("aborts"));
    }
}
