using System.Text;

namespace Stint.Tests.Runtimes;

/// <summary>What docs/runtime-interface.md demands of every runtime.</summary>
public sealed class InterfaceTests
{
    private static readonly Dictionary<string, Dictionary<string, string>> Echo = new()
    {
        ["python3"] = new() { ["fn.py"] = "def fn(input, headers):\n    return input\n" },
        ["nodejs"] = new() { ["fn.js"] = "module.exports = (req, res) => res.type('text').send(req.body);" },
        ["binary"] = new() { ["fn.sh"] = "#!/bin/sh\nexec cat\n" },
    };

    private static readonly Dictionary<string, Dictionary<string, string>> Slow = new()
    {
        ["python3"] = new() { ["fn.py"] = "import time\ndef fn(input, headers):\n    print('begun', flush=True)\n    time.sleep(0.05)\n    return input\n" },
        ["nodejs"] = new() { ["fn.js"] = "module.exports = (req, res) => { console.log('begun'); setTimeout(() => res.send(req.body), 50); };" },
        ["binary"] = new() { ["fn.sh"] = "#!/bin/sh\necho begun >&2\nsleep 0.05\nexec cat\n" },
    };

    public static TheoryData<string> Languages => ["python3", "nodejs", "binary"];

    public static TheoryData<string, int> Sizes => new()
    {
        { "python3", 1 << 20 }, { "nodejs", 1 << 20 }, { "binary", 1 << 20 }, { "python3", 16 << 20 }, { "nodejs", 16 << 20 }, { "binary", 16 << 20 },
        { "python3", 65536 }, { "nodejs", 65536 }, { "binary", 65536 }, { "python3", 65537 }, { "nodejs", 65537 }, { "binary", 65537 },
    };

    [RuntimeTheory, MemberData(nameof(Languages))]
    public async Task A_small_call_is_one_frame_each_way(string language)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language]);
        for (var i = 0; i < 3; i++)
        {
            var answer = await peer.CallAsync("Hello, world", headers: ["User-Agent", "test"]);
            Assert.Equal((200, "Hello, world", 1, null), (answer.Status, answer.Text, answer.Frames, answer.Failure));
        }
    }

    [RuntimeTheory]
    [InlineData("python3", "text/plain; charset=utf-8")]
    [InlineData("nodejs", "text/plain; charset=utf-8")]
    [InlineData("binary", "text/plain")]
    public async Task The_bytes_of_an_answer_are_those_of_the_document(string language, string type)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language]);
        await peer.SendAsync(RuntimePeer.Request("hi"u8.ToArray()));
        var frame = await peer.ReadAsync();
        var head = $"Content-Type\0{type}";
        byte[] expected = [(byte)(head.Length + 2), 0, 0, 0, 17, 0, 200, 0, (byte)head.Length, 0, 0, 0, .. Encoding.ASCII.GetBytes(head), .. "hi"u8];
        Assert.Equal(expected, frame.ToBytes());
    }

    [RuntimeTheory, MemberData(nameof(Sizes))]
    public async Task A_large_body_comes_back_whole(string language, int size)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language]);
        var body = new byte[size];
        for (var i = 0; i < size; i++) body[i] = (byte)('a' + i % 23);
        for (var i = 0; i < 2; i++)
        {
            var answer = await peer.CallAsync(body);
            Assert.Null(answer.Failure);
            Assert.True(body.AsSpan().SequenceEqual(answer.Body), $"{answer.Body.Length} bytes");
        }
    }

    [RuntimeTheory, MemberData(nameof(Languages))]
    public async Task A_frame_that_comes_byte_by_byte_is_understood(string language)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language]);
        foreach (var each in RuntimePeer.Request("slowly"u8.ToArray()).ToBytes()) await peer.SendAsync([each]);
        Assert.Equal("slowly", (await peer.AnswerAsync()).Text);
    }

    [RuntimeTheory, MemberData(nameof(Languages))]
    public async Task Frames_that_come_together_are_told_apart(string language)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language]);
        byte[] bytes =
        [
            .. new RuntimeFrame(FrameType.Cancel, false, 0, [], []).ToBytes(), .. RuntimePeer.Request("one, "u8.ToArray(), more: true).ToBytes(),
            .. new RuntimeFrame(FrameType.Body, true, 0, [], "two, "u8.ToArray()).ToBytes(), .. new RuntimeFrame(FrameType.Body, false, 0, [], "three"u8.ToArray()).ToBytes(),
        ];
        await peer.SendAsync(bytes);
        Assert.Equal("one, two, three", (await peer.AnswerAsync()).Text);
    }

    [RuntimeTheory, MemberData(nameof(Languages))]
    public async Task The_last_frame_of_a_body_may_be_empty(string language)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language]);
        await peer.SendAsync(RuntimePeer.Request("all"u8.ToArray(), more: true));
        await peer.SendAsync(new RuntimeFrame(FrameType.Body, false, 0, [], []));
        Assert.Equal("all", (await peer.AnswerAsync()).Text);
    }

    [RuntimeTheory, MemberData(nameof(Languages))]
    public async Task An_upload_that_is_cancelled_is_acknowledged_and_the_next_call_works(string language)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language]);
        await peer.SendAsync(RuntimePeer.Request("half"u8.ToArray(), more: true));
        await peer.SendAsync(new RuntimeFrame(FrameType.Cancel, false, 0, [], []));
        Assert.Equal("cancelled", (await peer.AnswerAsync()).Failure);
        Assert.Equal("next", (await peer.CallAsync("next")).Text);
    }

    [RuntimeTheory, MemberData(nameof(Languages))]
    public async Task A_cancelled_call_is_acknowledged_and_the_next_call_works(string language)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Slow[language]);
        await peer.SendAsync(RuntimePeer.Request("first"u8.ToArray()));
        await peer.LogContainsAsync("begun");
        await peer.SendAsync(new RuntimeFrame(FrameType.Cancel, false, 0, [], []));
        await peer.AnswerAsync();
        Assert.Equal("next", (await peer.CallAsync("next")).Text);
    }

    [RuntimeTheory, MemberData(nameof(Languages))]
    public async Task A_ping_between_calls_is_answered_before_the_call_that_follows_it(string language)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language], connections: 2);
        await peer.SendAsync(new RuntimeFrame(FrameType.Ping, false, 0, [], []));
        Assert.Equal([0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0], (await peer.ReadAsync()).ToBytes());
        Assert.Equal("called", (await peer.CallAsync("called")).Text);
        await peer.SendAsync([.. new RuntimeFrame(FrameType.Ping, false, 0, [], []).ToBytes(), .. RuntimePeer.Request("together"u8.ToArray()).ToBytes()]);
        Assert.Equal(FrameType.Pong, (await peer.ReadAsync()).Type);
        Assert.Equal("together", (await peer.AnswerAsync()).Text);
    }

    public static TheoryData<string, int> Sessions
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (var language in (string[])["python3", "nodejs", "binary"])
                for (var seed = 1; seed <= 4; seed++) data.Add(language, seed);
            return data;
        }
    }

    /// <summary>Calls of all sizes, cancelled or not, at any moment: every answer belongs to its request.</summary>
    [RuntimeTheory, MemberData(nameof(Sessions))]
    public async Task A_session_of_random_calls_and_cancels_stays_in_step(string language, int seed)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language]);
#pragma warning disable CA5394 // Repeatable, not secret.
        var random = new Random(seed);
        for (var i = 0; i < 60; i++)
        {
            var body = new byte[random.Next(4) switch { 0 => 0, 1 => random.Next(100), 2 => random.Next(2 * RuntimeFrame.Piece), _ => random.Next(600_000) }];
            for (var at = 0; at < body.Length; at++) body[at] = (byte)('a' + (i + at) % 26);
            var cancelAfter = random.Next(3) == 0 ? random.Next(body.Length / RuntimeFrame.Piece + 2) : int.MaxValue;
            var piece = random.Next(1, RuntimeFrame.Piece + 1);
            var sending = SendRequestAsync(body, piece, cancelAfter);
            var answer = await peer.AnswerAsync();
            await sending;
            if (cancelAfter == int.MaxValue) Assert.Null(answer.Failure);
            if (answer.Failure is null) Assert.True(body.AsSpan().SequenceEqual(answer.Body), $"call {i} of {body.Length} bytes got {answer.Body.Length}");
            else Assert.Equal("cancelled", answer.Failure);
        }
#pragma warning restore CA5394

        async Task SendRequestAsync(byte[] body, int piece, int cancelAfter)
        {
            await Task.Yield();
            var frames = 0;
            for (var at = 0; at == 0 || at < body.Length; at += piece)
            {
                if (frames > 0 && frames == cancelAfter) break;
                var bytes = body.AsSpan(at, Math.Min(piece, body.Length - at)).ToArray();
                var more = at + bytes.Length < body.Length;
                await peer.SendAsync(at == 0 ? RuntimePeer.Request(bytes, more) : new RuntimeFrame(FrameType.Body, more, 0, [], bytes));
                frames++;
            }
            if (cancelAfter <= frames) await peer.SendAsync(new RuntimeFrame(FrameType.Cancel, false, 0, [], []));
        }
    }

    [RuntimeTheory, MemberData(nameof(Languages))]
    public async Task A_function_for_several_requests_serves_them_at_once(string language)
    {
        var files = new Dictionary<string, Dictionary<string, string>>
        {
            // Each call waits until all four are there.
            ["python3"] = new() { ["fn.py"] = "import threading\nall = threading.Barrier(4)\ndef fn(input):\n    all.wait(30)\n    return input\n" },
            ["nodejs"] = new() { ["fn.js"] = "const all = [];\nmodule.exports = (req, res) => { all.push(() => res.send(req.body)); if (all.length === 4) all.forEach((f) => f()); };" },
            ["binary"] = new() { ["fn.sh"] = "#!/bin/sh\nd=$DIR\ntouch $d/$$\nwhile [ $(ls $d | wc -l) -lt 4 ]; do sleep 0.01; done\nexec cat\n" },
        };
        var meeting = Directory.CreateTempSubdirectory("stint-rt-").FullName;
        try
        {
            await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), files[language], 4, "DIR", meeting);
            var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => peer.CallAsync($"{i}", connection: i)));
            Assert.Equal(["0", "1", "2", "3"], answers.Select(answer => answer.Text));
        }
        finally
        {
            Directory.Delete(meeting, recursive: true);
        }
    }

    [RuntimeTheory, MemberData(nameof(Languages))]
    public async Task The_runtime_exits_when_the_daemon_leaves(string language)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language]);
        await peer.CallAsync("x");
        peer.Close();
        Assert.Equal(0, await peer.ExitAsync());
    }

    [RuntimeTheory, MemberData(nameof(Languages))]
    public async Task A_spare_without_a_function_exits_when_the_daemon_leaves(string language)
    {
        await using var peer = await RuntimePeer.StartAsync(RuntimeLanguage.Of(language));
        peer.Close();
        Assert.Equal(0, await peer.ExitAsync());
    }

    public static TheoryData<string, byte[]> Garbage
    {
        get
        {
            var data = new TheoryData<string, byte[]>();
            foreach (var language in (string[])["python3", "nodejs", "binary"])
            {
                data.Add(language, new RuntimeFrame((FrameType)99, false, 0, [], []).ToBytes());
                data.Add(language, [255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0]);
                data.Add(language, [1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 65]);
                data.Add(language, new RuntimeFrame(FrameType.Request, false, 0, ["GET", "/"], []).ToBytes());
                data.Add(language, new RuntimeFrame(FrameType.Body, false, 0, [], [1]).ToBytes());
            }
            return data;
        }
    }

    [RuntimeTheory, MemberData(nameof(Garbage))]
    public async Task A_daemon_that_breaks_the_interface_ends_the_runtime(string language, byte[] bytes)
    {
        await using var peer = await RuntimePeer.LoadAsync(RuntimeLanguage.Of(language), Echo[language]);
        await peer.SendAsync(bytes);
        Assert.Equal(1, await peer.ExitAsync());
        Assert.Contains("stint: the daemon sent", peer.Log, StringComparison.Ordinal);
    }

    [RuntimeTheory]
    [InlineData("python3", "there is no fn.py")]
    [InlineData("nodejs", "there is no index.js or fn.js")]
    [InlineData("binary", "there is no fn.sh")]
    public async Task A_folder_without_the_function_is_a_failure_that_says_what_to_do(string language, string message)
    {
        await using var peer = await RuntimePeer.StartAsync(RuntimeLanguage.Of(language));
        var answer = await peer.LoadAsync();
        Assert.Equal(FrameType.Failure, answer.Type);
        Assert.StartsWith(message, Assert.Single(answer.Head), StringComparison.Ordinal);
        Assert.Equal(1, await peer.ExitAsync());
    }
}
