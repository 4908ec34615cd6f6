using System.Text;

namespace Stint.Tests.Runtimes;

/// <summary>The promises to nodejs functions: the contract's interface, and what docs/writing-functions.md adds.</summary>
public sealed class NodeJsTests
{
    private const string Html = "text/html; charset=utf-8", Json = "application/json; charset=utf-8", Plain = "text/plain; charset=utf-8", Bytes = "application/octet-stream";

    private static Task<RuntimePeer> LoadAsync(string handler, int connections = 1, params string[] environment) =>
        RuntimePeer.LoadAsync(RuntimeLanguage.NodeJs, $"module.exports = {handler};", connections, environment);

    private static async Task<RuntimeAnswer> AnswerAsync(string handler, string body = "in", string method = "POST", string path = "/", string query = "", params string[] headers)
    {
        await using var peer = await LoadAsync(handler);
        return await peer.CallAsync(body, method, path, query, headers: headers);
    }

    [RuntimeTheory]
    [InlineData("fn.js", "module.exports = (req, res) => res.send('yes')")]
    [InlineData("index.js", "module.exports = (req, res) => res.send('yes')")]
    [InlineData("index.js", "exports.default = (req, res) => res.send('yes')")]
    [InlineData("index.mjs", "export default (req, res) => res.send('yes')")]
    [InlineData("fn.mjs", "const word = await Promise.resolve('yes');\nexport default async (req, res) => { res.send(word); }")]
    [InlineData("fn.cjs", "module.exports = function (req, res) { res.send('yes') }")]
    public async Task Every_way_to_export_a_function_is_found(string file, string source)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.NodeJs, new Dictionary<string, string> { [file] = source });
        Assert.Equal("yes", (await peer.CallAsync()).Text);
    }

    [RuntimeTheory]
    [InlineData("{ \"name\": \"fn\", \"main\": \"lib/main.js\" }", "const dependency = require('dependency');\nmodule.exports = (req, res) => res.send(dependency)")]
    [InlineData("{ \"name\": \"fn\", \"main\": \"lib/main.js\", \"type\": \"module\" }", "import dependency from 'dependency';\nexport default (req, res) => res.send(dependency)")]
    public async Task A_package_names_its_main_file_and_has_dependencies(string package, string source)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.NodeJs, new Dictionary<string, string>
        {
            ["package.json"] = package, ["lib/main.js"] = source, ["index.js"] = "throw new Error('not this one')",
            ["node_modules/dependency/index.js"] = "module.exports = 'needed'",
        });
        Assert.Equal("needed", (await peer.CallAsync()).Text);
    }

    [RuntimeTheory]
    [InlineData("res.send('text')", 200, Html, "text")]
    [InlineData("res.send('ä€😀')", 200, Html, "ä€😀")]
    [InlineData("res.send({ a: 'ä' })", 200, Json, "{\"a\":\"ä\"}")]
    [InlineData("res.send([1, null])", 200, Json, "[1,null]")]
    [InlineData("res.send(7)", 200, Json, "7")]
    [InlineData("res.send(true)", 200, Json, "true")]
    [InlineData("res.send(null)", 200, null, "")]
    [InlineData("res.send()", 200, null, "")]
    [InlineData("res.send(Buffer.from('bytes'))", 200, Bytes, "bytes")]
    [InlineData("res.send(new Uint8Array([65, 66]))", 200, Bytes, "AB")]
    [InlineData("res.json('text')", 200, Json, "\"text\"")]
    [InlineData("res.json(null)", 200, Json, "null")]
    [InlineData("res.status(201).json({})", 201, Json, "{}")]
    [InlineData("res.statusCode = 404; res.end('raw')", 404, null, "raw")]
    [InlineData("res.end()", 200, null, "")]
    [InlineData("res.sendStatus(404)", 404, Plain, "Not Found")]
    [InlineData("res.type('text').send('x')", 200, Plain, "x")]
    [InlineData("res.type('.json').send('{}')", 200, Json, "{}")]
    [InlineData("res.contentType('image/png').send(Buffer.from('x'))", 200, "image/png", "x")]
    [InlineData("res.set('Content-Type', 'text/plain').send('x')", 200, Plain, "x")]
    [InlineData("res.set({ 'content-type': 'text/csv' }).send('x')", 200, null, "x")]
    [InlineData("res.setHeader('Content-Type', 'text/x'); res.send('x')", 200, "text/x", "x")]
    [InlineData("res.header('Content-Type', 'text/x; charset=a').send('x')", 200, "text/x; charset=a", "x")]
    [InlineData("res.writeHead(202, { 'Content-Type': 'text/x' }).end('x')", 202, "text/x", "x")]
    [InlineData("res.redirect('/there')", 302, Plain, "Redirecting to /there")]
    [InlineData("res.redirect(301, '/a b')", 301, Plain, "Redirecting to /a%20b")]
    public async Task The_answer_is_what_Express_would_send(string statement, int status, string? type, string expected)
    {
        var answer = await AnswerAsync($"(req, res) => {{ {statement}; }}");
        Assert.Equal((null, status, type, expected), (answer.Failure, answer.Status, answer.ContentType, answer.Text));
    }

    [RuntimeTheory]
    [InlineData("async (req, res) => { await null; res.send('x'); }", "x")]
    [InlineData("(req, res) => setTimeout(() => res.send('x'), 1)", "x")]
    [InlineData("async () => 'x'", "x")]
    [InlineData("() => 'x'", "x")]
    [InlineData("async () => ({ a: 1 })", "{\"a\":1}")]
    [InlineData("async () => [1]", "[1]")]
    [InlineData("async (req, res) => res.status(200).send('x')", "x")]
    [InlineData("async (req, res) => { res.send('x'); return 'not this'; }", "x")]
    public async Task Functions_may_be_asynchronous_and_may_return_their_answer(string handler, string expected) =>
        Assert.Equal(expected, (await AnswerAsync(handler)).Text);

    [RuntimeTheory]
    [InlineData("req.method", "\"PUT\"")]
    [InlineData("req.path", "\"/a/b%20c\"")]
    [InlineData("req.url", "\"/a/b%20c?x=1&y=%C3%A4&y=2\"")]
    [InlineData("req.originalUrl", "\"/a/b%20c?x=1&y=%C3%A4&y=2\"")]
    [InlineData("req.query", "{\"x\":\"1\",\"y\":[\"ä\",\"2\"]}")]
    [InlineData("req.headers", "{\"user-agent\":\"test\",\"lab\":\"7\",\"content-type\":\"application/json\"}")]
    [InlineData("[req.get('Lab'), req.header('USER-AGENT'), req.get('none') ?? null]", "[\"7\",\"test\",null]")]
    [InlineData("[req.body, typeof req.body]", "[\"{ä}\",\"string\"]")]
    [InlineData("[Buffer.isBuffer(req.rawBody), req.rawBody.length]", "[true,4]")]
    [InlineData("[req.callId, req.timeLeft]", "[\"call-1\",60000]")]
    [InlineData("(req.body = JSON.stringify('set'), req.body)", "\"\\\"set\\\"\"")]
    public async Task The_request_is_what_Express_would_pass(string expression, string expected)
    {
        var answer = await AnswerAsync($"(req, res) => {{ res.json({expression}); }}", "{ä}", "PUT", "/a/b%20c", "x=1&y=%C3%A4&y=2",
            ["User-Agent", "test", "Lab", "7", "Content-Type", "application/json"]);
        Assert.Equal((null, expected), (answer.Failure, answer.Text));
    }

    [RuntimeFact]
    public async Task An_empty_body_is_an_empty_string()
    {
        await using var peer = await LoadAsync("(req, res) => res.json([req.body, req.query, req.url])");
        Assert.Equal("[\"\",{},\"/\"]", (await peer.CallAsync("")).Text);
    }

    [RuntimeFact]
    public async Task Headers_can_be_set_read_appended_and_removed()
    {
        await using var peer = await LoadAsync(
            """
            (req, res) => {
              res.set('X-One', 1).setHeader('x-two', '2');
              res.append('X-Many', 'a').append('X-Many', 'b');
              res.set('X-Gone', 'x').removeHeader('x-gone');
              res.end(JSON.stringify([res.get('x-one'), res.getHeader('X-Two'), res.get('x-many'), res.hasHeader('x-gone'), res.headersSent]));
            }
            """);
        await peer.SendAsync(RuntimePeer.Request([]));
        var frame = await peer.ReadAsync();
        Assert.Equal("[\"1\",\"2\",[\"a\",\"b\"],false,false]", frame.Text);
        Assert.Equal(["X-One", "1", "x-two", "2", "X-Many", "a", "X-Many", "b"], frame.Head);
    }

    [RuntimeTheory]
    [InlineData("throw new Error('broken')", "broken")]
    [InlineData("throw new RangeError()", "RangeError")]
    [InlineData("throw 'text'", "text")]
    [InlineData("throw undefined", "undefined")]
    [InlineData("res.status(99).send('x')", "Invalid status code 99: use an integer from 200 to 599")]
    [InlineData("res.set('A', 'b\\r\\nC: d').send('x')", "Invalid character in the header A")]
    [InlineData("res.set('A b', 'x').send('x')", "Invalid header A b: x")]
    [InlineData("const a = {}; a.a = a; res.json(a)", "Converting circular structure to JSON")]
    [InlineData("res.write(7)", "A piece of an answer must be a string or bytes, not number")]
    public async Task An_error_is_a_failure_with_its_message_and_its_stack_in_the_log(string statement, string message)
    {
        foreach (var kind in (string[])["", "async "])
        {
            await using var peer = await LoadAsync($"{kind}(req, res) => {{ if (req.body === 'ok') return res.send('ok'); {statement}; }}");
            Assert.StartsWith(message, (await peer.CallAsync("bad")).Failure, StringComparison.Ordinal);
            if (statement.Contains("Error", StringComparison.Ordinal)) await peer.LogContainsAsync("fn.js:1:");
            Assert.Equal("ok", (await peer.CallAsync("ok")).Text);
        }
    }

    [RuntimeFact]
    public async Task A_long_message_is_cut_at_4_KiB_between_characters()
    {
        var answer = await AnswerAsync("() => { throw new Error('€'.repeat(5000)); }");
        Assert.Equal(4095, Encoding.UTF8.GetByteCount(answer.Failure!));
    }

    [RuntimeTheory]
    [InlineData("setTimeout(() => { throw new Error('later'); })")]
    [InlineData("Promise.reject(new Error('later'))")]
    public async Task An_error_outside_of_the_call_fails_it_and_ends_the_runtime(string statement)
    {
        await using var peer = await LoadAsync($"(req, res) => {{ {statement}; }}");
        Assert.Equal("later", (await peer.CallAsync()).Failure);
        Assert.Equal(1, await peer.ExitAsync());
        Assert.Contains("Error: later", peer.Log, StringComparison.Ordinal);
    }

    [RuntimeTheory]
    [InlineData("const x = ;", "the module cannot be loaded: SyntaxError: Unexpected token ';'")]
    [InlineData("require('nowhere')", "the module cannot be loaded: Error: Cannot find module 'nowhere'; add the package to \"dependencies\" in package.json")]
    [InlineData("throw new Error('no')", "the module cannot be loaded: Error: no")]
    [InlineData("exports.handler = () => {}", "fn.js exports no function: write `module.exports = (req, res) => { … }`")]
    public async Task Code_that_cannot_be_loaded_says_why(string source, string message)
    {
        await using var peer = await RuntimePeer.StartAsync(RuntimeLanguage.NodeJs);
        peer.Write(new() { ["fn.js"] = source });
        var answer = await peer.LoadAsync();
        Assert.Equal((FrameType.Failure, message), (answer.Type, Assert.Single(answer.Head)));
        Assert.Equal(1, await peer.ExitAsync());
    }

    [RuntimeFact]
    public async Task Module_syntax_without_a_package_works_where_Node_recognises_it_and_says_what_to_do_elsewhere()
    {
        await using var peer = await RuntimePeer.StartAsync(RuntimeLanguage.NodeJs);
        peer.Write(new() { ["fn.js"] = "export default (req, res) => res.send('yes')" });
        var answer = await peer.LoadAsync();
        if (answer.Type == FrameType.Ready) Assert.Equal("yes", (await peer.CallAsync()).Text);
        else Assert.EndsWith("; add \"type\": \"module\" to package.json or name the file .mjs", Assert.Single(answer.Head), StringComparison.Ordinal);
        Assert.DoesNotContain("Warning", peer.Log, StringComparison.Ordinal);
    }

    [RuntimeFact]
    public async Task The_module_is_loaded_once_in_its_folder_and_environment()
    {
        await using var peer = await LoadAsync("((count) => (req, res) => res.json([++count, process.cwd(), process.env.COLOUR]))(0)", 1, "COLOUR", "blue=1");
        Assert.Equal($"[1,\"{peer.Code}\",\"blue=1\"]", (await peer.CallAsync()).Text);
        Assert.Equal($"[2,\"{peer.Code}\",\"blue=1\"]", (await peer.CallAsync()).Text);
    }

    [RuntimeFact]
    public async Task Prints_arrive_line_by_line_while_the_call_runs()
    {
        var source = "let go = () => {};\nmodule.exports = (req, res) => { console.log('to out ä'); console.error('to err'); go = () => { go = () => {}; res.send('done'); }; };\nsetInterval(() => require('fs').existsSync('go') && go(), 5);";
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.NodeJs, source);
        var call = peer.CallAsync();
        await peer.LogContainsAsync("to out ä");
        await peer.LogContainsAsync("to err");
        Assert.False(call.IsCompleted);
        await File.WriteAllTextAsync(Path.Combine(peer.Code, "go"), "");
        Assert.Equal("done", (await call).Text);
    }

    [RuntimeTheory]
    [InlineData("(req, res) => { for (let i = 0; i < 64; i++) res.write('x'.repeat(16384)); res.end(); }")]
    [InlineData("async (req, res) => { for (let i = 0; i < 64; i++) if (!res.write('x'.repeat(16384))) await new Promise((go) => res.once('drain', go)); res.end(); }")]
    [InlineData("(req, res) => require('stream').Readable.from(Array(64).fill('x'.repeat(16384))).pipe(res)")]
    [InlineData("(req, res) => require('stream').pipeline(require('stream').Readable.from(Array(64).fill('x'.repeat(16384))), res, (e) => { if (e) throw e; })")]
    [InlineData("(req, res) => { res.type('text'); res.write('x'.repeat(1000000)); res.end('x'.repeat(48576)); }")]
    [InlineData("(req, res) => res.send('x'.repeat(1048576))")]
    [InlineData("(req, res) => { res.flushHeaders(); res.end(Buffer.alloc(1048576, 'x')); }")]
    public async Task Pieces_are_streamed(string handler)
    {
        await using var peer = await LoadAsync(handler);
        for (var i = 0; i < 2; i++)
        {
            var answer = await peer.CallAsync();
            Assert.Null(answer.Failure);
            Assert.Equal(1 << 20, answer.Body.Length);
            Assert.False(answer.Body.AsSpan().ContainsAnyExcept((byte)'x'));
        }
    }

    [RuntimeFact]
    public async Task An_error_after_the_first_piece_breaks_the_answer_off()
    {
        var answer = await AnswerAsync("async (req, res) => { res.write('begun'); await null; throw new Error('half'); }");
        Assert.Equal((200, "begun", "half"), (answer.Status, answer.Text, answer.Failure));
    }

    [RuntimeFact]
    public async Task Finish_and_close_are_emitted_once()
    {
        await using var peer = await LoadAsync("(req, res) => { res.on('finish', () => console.log('finished')).on('close', () => console.log('closed')); res.end('x', () => console.log('ended')); }");
        await peer.CallAsync();
        await peer.LogContainsAsync("closed");
        Assert.Equal("ended\nfinished\nclosed", string.Join('\n', peer.Log.Split('\n').Order(StringComparer.Ordinal).OrderBy(line => line == "closed" ? 1 : 0)));
    }

    [RuntimeFact]
    public async Task Cancel_tells_a_function_that_listens_and_frees_the_connection()
    {
        await using var peer = await LoadAsync("(req, res) => { if (req.body) return res.send(req.body); const timer = setInterval(() => res.write('tick'), 1); req.on('close', () => { clearInterval(timer); console.log('told', req.aborted); }); }");
        await peer.SendAsync(RuntimePeer.Request([]));
        await peer.ReadAsync();
        await peer.SendAsync(new RuntimeFrame(FrameType.Cancel, false, 0, [], []));
        RuntimeFrame frame;
        do frame = await peer.ReadAsync(); while (frame.Type == FrameType.Body);
        Assert.Equal((FrameType.Failure, "cancelled"), (frame.Type, frame.Head[0]));
        await peer.LogContainsAsync("told true");
        Assert.Equal("next", (await peer.CallAsync("next")).Text);
    }

    [RuntimeFact]
    public async Task What_a_function_does_after_it_has_answered_does_no_harm()
    {
        await using var peer = await LoadAsync("async (req, res) => { res.send('once'); try { res.send('twice'); } catch (e) { console.log(e.message); } try { res.set('A', 'b'); } catch (e) { console.log(e.message); } }");
        Assert.Equal("once", (await peer.CallAsync()).Text);
        await peer.LogContainsAsync("The answer has already been sent");
        await peer.LogContainsAsync("Cannot set the header A: the answer's head has been sent");
        Assert.Equal("once", (await peer.CallAsync()).Text);
    }

    [RuntimeFact]
    public async Task A_body_that_is_no_text_is_there_as_bytes()
    {
        byte[] bytes = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        await using var peer = await LoadAsync("async (req, res) => { await null; res.send(req.rawBody); }");
        Assert.Equal(bytes, (await peer.CallAsync(bytes)).Body);
    }

    [RuntimeFact]
    public async Task A_function_that_ends_the_process_closes_the_connection()
    {
        await using var peer = await LoadAsync("() => process.exit(9)");
        await Assert.ThrowsAsync<EndOfStreamException>(() => peer.CallAsync());
        Assert.Equal(9, await peer.ExitAsync());
    }
}
