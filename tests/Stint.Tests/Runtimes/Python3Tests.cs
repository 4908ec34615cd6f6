using System.Text;

namespace Stint.Tests.Runtimes;

/// <summary>The promises to python3 functions: the contract's interface, and what docs/writing-functions.md adds.</summary>
public sealed class Python3Tests
{
    private static Task<RuntimePeer> LoadAsync(string source, int connections = 1, params string[] environment) =>
        RuntimePeer.LoadAsync(RuntimeLanguage.Python3, source, connections, environment);

    private static async Task<RuntimeAnswer> AnswerAsync(string source, string body = "in", params string[] headers)
    {
        await using var peer = await LoadAsync(source);
        return await peer.CallAsync(body, headers: headers);
    }

    [RuntimeTheory]
    [InlineData("def fn(input, headers): return f'{input} {headers[\"Lab\"]}'", "in 7")]
    [InlineData("def fn(input): return input", "in")]
    [InlineData("def fn(): return 'none'", "none")]
    [InlineData("def fn(input, headers=None): return headers['Lab']", "7")]
    [InlineData("def fn(*all): return f'{len(all)}'", "2")]
    [InlineData("def fn(input, *rest): return rest[0]['Lab']", "7")]
    [InlineData("def fn(input, headers, request): return f'{request.method} {request.path} {request.query} {request.call_id} {request.time_left}'", "POST /  call-1 60.0")]
    [InlineData("def fn(input, headers, more=3): return f'{more}'", "3")]
    [InlineData("from functools import partial\ndef f(a, input, headers): return a + input + headers['Lab']\nfn = partial(f, '>')", ">in7")]
    [InlineData("class F:\n    def __call__(self, input): return input\nfn = F()", "in")]
    [InlineData("class F:\n    def run(self, input): return input\nfn = F().run", "in")]
    [InlineData("import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a, **k): return '>' + f(*a, **k)\n    return w\n@d\ndef fn(input): return input", ">in")]
    [InlineData("fn = lambda input: input", "in")]
    [InlineData("async def fn(input, headers): return headers['Lab']", "7")]
    [InlineData("import asyncio\nasync def fn(input):\n    await asyncio.sleep(0)\n    return input", "in")]
    [InlineData("class F:\n    async def __call__(self, input): return input\nfn = F()", "in")]
    public async Task Every_signature_is_called_as_it_expects(string source, string expected)
    {
        var answer = await AnswerAsync(source, "in", "Lab", "7");
        Assert.Equal((null, 200, expected), (answer.Failure, answer.Status, answer.Text));
    }

    [RuntimeTheory]
    [InlineData("'text'", "text/plain; charset=utf-8", "text")]
    [InlineData("'ä€😀'", "text/plain; charset=utf-8", "ä€😀")]
    [InlineData("''", "text/plain; charset=utf-8", "")]
    [InlineData("b'bytes'", "application/octet-stream", "bytes")]
    [InlineData("bytearray(b'bytes')", "application/octet-stream", "bytes")]
    [InlineData("memoryview(b'bytes')", "application/octet-stream", "bytes")]
    [InlineData("None", null, "")]
    [InlineData("{'a': [1, None, 'ä']}", "application/json", "{\"a\":[1,null,\"ä\"]}")]
    [InlineData("[1, 2]", "application/json", "[1,2]")]
    [InlineData("('body', 201)", "application/json", "[\"body\",201]")]
    [InlineData("7", "application/json", "7")]
    [InlineData("True", "application/json", "true")]
    [InlineData("iter(['a', b'b', ''])", "text/plain; charset=utf-8", "ab")]
    [InlineData("iter([])", null, "")]
    [InlineData("__import__('stint').Response('made', 201, {'Location': '/x'})", "text/plain; charset=utf-8", "made")]
    [InlineData("__import__('stint').Response({'a': 1}, headers=[('content-type', 'text/x')])", null, "{\"a\":1}")]
    public async Task What_is_returned_becomes_the_body(string value, string? type, string expected)
    {
        var answer = await AnswerAsync($"def fn(input, headers): return {value}");
        Assert.Equal((null, type, expected), (answer.Failure, answer.ContentType, answer.Text));
    }

    [RuntimeFact]
    public async Task A_Response_has_its_own_status_and_headers()
    {
        var answer = await AnswerAsync("import stint\ndef fn(input): return stint.Response('no', status=404, headers={'Content-Type': 'text/x', 'X-Count': 3})");
        Assert.Equal((404, "no"), (answer.Status, answer.Text));
        Assert.Equal(new() { ["Content-Type"] = "text/x", ["X-Count"] = "3" }, answer.Headers);
    }

    [RuntimeTheory]
    [InlineData("stint.Response('x', status=600)", "stint.Response: status 600 is not an integer from 200 to 599")]
    [InlineData("stint.Response('x', headers={'A': 'b\\r\\nC: d'})", "stint.Response: the header 'A' has no name, or a NUL or a line break in it")]
    [InlineData("stint.Response('x', headers={'A': 'b' * 70000})", "stint.Response: the headers have more than 64 KiB")]
    [InlineData("object()", "fn returned a object that is neither text, bytes nor JSON: Object of type object is not JSON serializable")]
    [InlineData("iter([1])", "fn yielded a int: a streamed answer is made of str or bytes")]
    public async Task What_cannot_be_sent_is_the_functions_failure(string value, string message)
    {
        var answer = await AnswerAsync($"import stint\ndef fn(input, headers): return {value}");
        Assert.Equal(message, answer.Failure);
    }

    [RuntimeFact]
    public async Task An_empty_body_is_None_and_others_are_text()
    {
        await using var peer = await LoadAsync("def fn(input): return repr(input)");
        Assert.Equal("None", (await peer.CallAsync("")).Text);
        Assert.Equal("'ä'", (await peer.CallAsync("ä")).Text);
    }

    [RuntimeFact]
    public async Task A_body_that_is_no_text_survives_the_round_trip()
    {
        byte[] bytes = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        await using var peer = await LoadAsync("def fn(input): return input");
        Assert.Equal(bytes, (await peer.CallAsync(bytes)).Body);
        await using var encoded = await LoadAsync("def fn(input): return bytes(reversed(input.encode('utf-8', 'surrogateescape')))");
        Assert.Equal(bytes.Reverse(), (await encoded.CallAsync(bytes)).Body);
    }

    [RuntimeFact]
    public async Task Header_names_keep_their_capitalisation()
    {
        var answer = await AnswerAsync("def fn(input, headers):\n    assert type(headers) is dict\n    return '|'.join(f'{k}={v}' for k, v in headers.items())", "",
            "User-Agent", "test", "Lab", "", "X-Ünicode", "ä");
        Assert.Equal("User-Agent=test|Lab=|X-Ünicode=ä", answer.Text);
    }

    [RuntimeTheory]
    [InlineData("raise ValueError('too small')", "too small")]
    [InlineData("raise ValueError", "ValueError")]
    [InlineData("raise KeyError('k')", "'k'")]
    [InlineData("import sys; sys.exit(3)", "fn.py called sys.exit(3)")]
    [InlineData("raise BrokenPipeError('mine')", "mine")]
    [InlineData("raise KeyboardInterrupt", "KeyboardInterrupt")]
    [InlineData("raise ValueError('a\\0b')", "a b")]
    public async Task An_exception_is_a_failure_with_its_message_and_a_traceback_in_the_log(string statement, string message)
    {
        foreach (var kind in (string[])["def", "async def"])
        {
            await using var peer = await LoadAsync($"{kind} fn(input):\n    if input == 'ok': return input\n    {statement}\n");
            Assert.Equal(message, (await peer.CallAsync("bad")).Failure);
            await peer.LogContainsAsync("fn.py\", line 3, in fn");
            Assert.Equal("ok", (await peer.CallAsync("ok")).Text);
            Assert.DoesNotContain("runtime.py\"", peer.Log, StringComparison.Ordinal);
        }
    }

    [RuntimeFact]
    public async Task A_long_message_is_cut_at_4_KiB_between_characters()
    {
        var answer = await AnswerAsync("def fn(input): raise ValueError('€' * 5000)");
        Assert.Equal(4095, Encoding.UTF8.GetByteCount(answer.Failure!));
        Assert.DoesNotContain('\uFFFD', answer.Failure!);
    }

    [RuntimeFact]
    public async Task Module_level_code_runs_once_in_the_functions_folder_and_environment()
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Python3, new Dictionary<string, string>
        {
            ["fn.py"] = "import os\nfrom lib import prefix\ncount = 0\nfiles = sorted(os.listdir('.'))\ndef fn(input):\n    global count\n    count += 1\n    return f'{prefix}{count} {os.environ[\"COLOUR\"]} {files}'",
            ["lib/__init__.py"] = "prefix = '#'",
        }, 1, "COLOUR", "blue=1");
        Assert.Equal("#1 blue=1 ['fn.py', 'lib']", (await peer.CallAsync()).Text);
        Assert.Equal("#2 blue=1 ['fn.py', 'lib']", (await peer.CallAsync()).Text);
        Assert.False(Directory.Exists(Path.Combine(peer.Code, "__pycache__")));
    }

    [RuntimeTheory]
    [InlineData("return 1", "fn.py cannot be loaded: SyntaxError: 'return' outside function (fn.py, line 1)")]
    [InlineData("import nowhere", "fn.py cannot be loaded: ModuleNotFoundError: No module named 'nowhere'; add it to requirements.txt")]
    [InlineData("1 / 0", "fn.py cannot be loaded: ZeroDivisionError: division by zero")]
    [InlineData("import sys\nsys.exit(2)", "fn.py cannot be loaded: SystemExit: 2")]
    [InlineData("def handler(input): pass", "fn.py defines no function named fn: add `def fn(input, headers):`")]
    [InlineData("def fn(a, b, c, d): pass", "fn takes 4 arguments: define `def fn(input, headers):`")]
    public async Task Code_that_cannot_be_loaded_says_why(string source, string message)
    {
        await using var peer = await RuntimePeer.StartAsync(RuntimeLanguage.Python3);
        peer.Write(new() { ["fn.py"] = source });
        var answer = await peer.LoadAsync();
        Assert.Equal((FrameType.Failure, message), (answer.Type, Assert.Single(answer.Head)));
        Assert.Equal(1, await peer.ExitAsync());
    }

    [RuntimeFact]
    public async Task Prints_arrive_line_by_line_while_the_call_runs()
    {
        await using var peer = await LoadAsync("import os, sys, time\ndef fn(input):\n    print('to out ä')\n    print('to err', file=sys.stderr)\n    while not os.path.exists(input): time.sleep(0.005)\n    return 'done'");
        var go = Path.Combine(peer.Code, "go");
        var call = peer.CallAsync(go);
        await peer.LogContainsAsync("to out ä");
        await peer.LogContainsAsync("to err");
        Assert.False(call.IsCompleted);
        await File.WriteAllTextAsync(go, "");
        Assert.Equal("done", (await call).Text);
    }

    [RuntimeFact]
    public async Task A_log_that_nobody_reads_any_more_does_not_fail_the_function()
    {
        await using var peer = await LoadAsync("import os, sys\nr, w = os.pipe(); os.close(r); os.dup2(w, 1); os.dup2(w, 2)\ndef fn(input):\n    print('x' * 100000)\n    print('y', file=sys.stderr)\n    if input: raise ValueError(input)\n    return 'fine'");
        Assert.Equal("fine", (await peer.CallAsync()).Text);
        Assert.Equal("bad", (await peer.CallAsync("bad")).Failure);
        Assert.Equal("fine", (await peer.CallAsync()).Text);
    }

    [RuntimeTheory]
    [InlineData("def fn(input):\n    for i in range(64): yield 'x' * 16384")]
    [InlineData("async def fn(input):\n    for i in range(64): yield 'x' * 16384")]
    [InlineData("import stint\ndef fn(input): return stint.Response('x' * 16384 for i in range(64))")]
    [InlineData("import io\ndef fn(input): return iter(['x' * 1048576])")]
    public async Task A_generator_is_streamed(string source)
    {
        var answer = await AnswerAsync(source);
        Assert.Null(answer.Failure);
        Assert.Equal(1 << 20, answer.Body.Length);
        Assert.True(answer.Frames >= 16);
    }

    [RuntimeFact]
    public async Task Pieces_arrive_as_they_are_yielded()
    {
        await using var peer = await LoadAsync("import os, time\ndef fn(input):\n    yield 'first'\n    while not os.path.exists(input): time.sleep(0.005)\n    yield 'second'");
        var go = Path.Combine(peer.Code, "go");
        await peer.SendAsync(RuntimePeer.Request(Encoding.UTF8.GetBytes(go)));
        var first = await peer.ReadAsync();
        Assert.Equal((FrameType.Response, true, "first"), (first.Type, first.More, first.Text));
        await File.WriteAllTextAsync(go, "");
        Assert.Equal("second", (await peer.ReadAsync()).Text);
        Assert.Equal((FrameType.Body, false), (await peer.ReadAsync()) is { } last ? (last.Type, last.More) : default);
    }

    [RuntimeFact]
    public async Task An_exception_after_the_first_piece_breaks_the_answer_off()
    {
        var answer = await AnswerAsync("def fn(input):\n    yield 'begun'\n    raise ValueError('half')");
        Assert.Equal((200, "begun", "half"), (answer.Status, answer.Text, answer.Failure));
        Assert.Equal("early", (await AnswerAsync("def fn(input):\n    raise ValueError('early')\n    yield 1")).Failure);
    }

    [RuntimeTheory]
    [InlineData("def", "")]
    [InlineData("async def", "await asyncio.sleep(0)")]
    public async Task A_stream_without_end_stops_when_it_is_cancelled(string kind, string wait)
    {
        await using var peer = await LoadAsync($"import asyncio\n{kind} fn(input):\n    try:\n        while True:\n            {wait}\n            yield 'x' * 100\n    finally:\n        print('closed')");
        await peer.SendAsync(RuntimePeer.Request([]));
        await peer.ReadAsync();
        await peer.SendAsync(new RuntimeFrame(FrameType.Cancel, false, 0, [], []));
        RuntimeFrame frame;
        do frame = await peer.ReadAsync(); while (frame.Type == FrameType.Body);
        Assert.Equal((FrameType.Failure, "cancelled"), (frame.Type, frame.Head[0]));
        await peer.LogContainsAsync("closed");
    }

    [RuntimeFact]
    public async Task Coroutines_of_several_calls_share_one_event_loop()
    {
        await using var peer = await LoadAsync(
            "import asyncio, sys\nwaiting = []\nasync def fn(input):\n    if input == 'exit': sys.exit(1)\n    e = asyncio.Event()\n    waiting.append(e)\n    if len(waiting) == 3: [w.set() for w in waiting]\n    await e.wait()\n    return input", 3);
        Assert.Equal("fn.py called sys.exit(1)", (await peer.CallAsync("exit", connection: 1)).Failure);
        var answers = await Task.WhenAll(Enumerable.Range(0, 3).Select(i => peer.CallAsync($"{i}", connection: i)));
        Assert.Equal(["0", "1", "2"], answers.Select(answer => answer.Text));
    }

    [RuntimeFact]
    public async Task Standard_input_is_empty_and_threads_do_not_keep_the_runtime_alive()
    {
        await using var peer = await LoadAsync("import sys, threading\nthreading.Thread(target=threading.Event().wait).start()\ndef fn(input): return repr(sys.stdin.read())");
        Assert.Equal("''", (await peer.CallAsync()).Text);
        peer.Close();
        Assert.Equal(0, await peer.ExitAsync());
    }

    [RuntimeFact]
    public async Task A_function_that_ends_the_process_closes_the_connection()
    {
        await using var peer = await LoadAsync("import os\ndef fn(input): os._exit(9)");
        await Assert.ThrowsAsync<EndOfStreamException>(() => peer.CallAsync());
        Assert.Equal(9, await peer.ExitAsync());
    }
}
