using System.Globalization;
using System.Text;

namespace Stint.Tests.Runtimes;

/// <summary>The promises to binary functions.</summary>
public sealed class BinaryTests
{
    private static Task<RuntimePeer> LoadAsync(string source, int connections = 1, params string[] environment) =>
        RuntimePeer.LoadAsync(RuntimeLanguage.Binary, source, connections, environment);

    [RuntimeFact]
    public async Task The_request_is_in_the_environment()
    {
        await using var peer = await LoadAsync("#!/bin/sh\nenv | grep -E '^(Http_|HOME|COLOUR)' | sort\npwd\n", 1, "COLOUR", "blue");
        var answer = await peer.CallAsync("body", "PUT", "/a/b%20c", "x=1&y", headers: ["User-Agent", "test", "X-Stint-Lab", "7", "A=B", "dropped", "Content-Type", "text/plain; a=ä"]);
        string[] expected =
        [
            "COLOUR=blue", "HOME=/tmp", "Http_ContentLength=4", "Http_Content_Type=text/plain; a=ä", "Http_Method=PUT", "Http_Path=/a/b%20c", "Http_Query=x=1&y",
            "Http_User_Agent=test", "Http_X_Stint_Lab=7", peer.Code, "",
        ];
        Assert.Equal(expected, answer.Text.Split('\n'));
    }

    [RuntimeFact]
    public async Task A_long_body_has_the_length_of_its_header()
    {
        await using var peer = await LoadAsync("#!/bin/sh\necho $Http_ContentLength\nexec wc -c\n");
        var answer = await peer.CallAsync(new byte[100_000], headers: ["Content-Length", "100000"]);
        Assert.Equal("100000\n100000\n", answer.Text);
    }

    [RuntimeTheory]
    [InlineData("exit 3", "fn.sh exited with 3")]
    [InlineData("echo partial; exit 1", "fn.sh exited with 1")]
    [InlineData("kill -TERM $$", "fn.sh was ended by signal 15")]
    [InlineData("kill -KILL $$", "fn.sh was ended by signal 9: most likely it needed more memory than the function has")]
    public async Task An_end_other_than_0_is_a_failure(string statement, string message)
    {
        await using var peer = await LoadAsync($"#!/bin/sh\ncat >/dev/null\n[ -n \"$Http_Query\" ] && exit 0\n{statement}\n");
        Assert.Equal(message, (await peer.CallAsync("x")).Failure);
        Assert.Null((await peer.CallAsync("x", query: "ok")).Failure);
    }

    [RuntimeFact]
    public async Task A_failure_after_the_answer_began_breaks_it_off()
    {
        await using var peer = await LoadAsync("#!/bin/sh\nhead -c 200000 /dev/zero\nexit 4\n");
        var answer = await peer.CallAsync();
        Assert.Equal((200, "fn.sh exited with 4"), (answer.Status, answer.Failure));
        Assert.True(answer.Body.Length >= RuntimeFrame.Piece);
    }

    [RuntimeFact]
    public async Task Standard_error_goes_to_the_log_and_not_into_the_answer()
    {
        await using var peer = await LoadAsync("#!/bin/sh\necho out\necho err >&2\n");
        Assert.Equal("out\n", (await peer.CallAsync()).Text);
        await peer.LogContainsAsync("err");
    }

    [RuntimeTheory]
    [InlineData("echo plain; cat")]
    [InlineData("#!/bin/sh\necho plain; cat")]
    public async Task A_script_without_a_first_line_or_without_permission_is_run_by_the_shell(string source)
    {
        await using var peer = await LoadAsync(source);
        Assert.Equal("plain\nx", (await peer.CallAsync("x")).Text);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(Path.Combine(peer.Code, "fn.sh"), UnixFileMode.UserRead);
        Assert.Equal("plain\ny", (await peer.CallAsync("y")).Text);

        await using var later = await RuntimePeer.StartAsync(RuntimeLanguage.Binary);
        later.Write(new() { ["fn.sh"] = source });
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(Path.Combine(later.Code, "fn.sh"), UnixFileMode.UserRead);
        Assert.Equal(FrameType.Ready, (await later.LoadAsync(1, "A=B", "a name that no system allows")).Type);
        Assert.Equal("fn.sh cannot be started: illegal environment variable name", (await later.CallAsync("z")).Failure);
    }

    [RuntimeFact]
    public async Task A_missing_interpreter_is_a_failure_that_says_so()
    {
        await using var peer = await LoadAsync("#!/no/such/thing\n");
        Assert.Equal("fn.sh cannot be started: No such file or directory (is the interpreter that its first line names installed?)", (await peer.CallAsync("x")).Failure);
        Assert.NotNull((await peer.CallAsync(new byte[1 << 20])).Failure);
    }

    [RuntimeTheory]
    [InlineData("#!/bin/sh\necho early\n")]
    [InlineData("#!/bin/sh\nexec <&-\necho early\n")]
    [InlineData("#!/bin/sh\nhead -c 10 >/dev/null\necho early\n")]
    public async Task A_script_need_not_read_its_body(string source)
    {
        await using var peer = await LoadAsync(source);
        foreach (var size in (int[])[10, 65536, 4 << 20, 0]) Assert.Equal("early\n", (await peer.CallAsync(new byte[size])).Text);
    }

    [RuntimeFact]
    public async Task Nothing_that_a_call_started_survives_it()
    {
        await using var peer = await LoadAsync("#!/bin/sh\nsleep 1000 &\necho $!\n");
        var pid = int.Parse((await peer.CallAsync()).Text, CultureInfo.InvariantCulture);
        await peer.UntilAsync(() => !Directory.Exists($"/proc/{pid}") || File.ReadAllText($"/proc/{pid}/stat").Contains(") Z", StringComparison.Ordinal));
    }

    [RuntimeFact]
    public async Task A_process_that_left_the_group_and_holds_standard_output_does_not_delay_the_answer()
    {
        await using var peer = await LoadAsync("#!/bin/sh\nsetsid sh -c 'echo $$ > pid; exec sleep 1000' &\nwhile [ ! -s pid ]; do sleep 0.01; done\nhead -c 100000 /dev/zero\n");
        var answer = await peer.CallAsync();
        Assert.Equal((100_000, null), (answer.Body.Length, answer.Failure));
        using var left = System.Diagnostics.Process.GetProcessById(int.Parse(await File.ReadAllTextAsync(Path.Combine(peer.Code, "pid")), CultureInfo.InvariantCulture));
        left.Kill();
    }

    [RuntimeFact]
    public async Task Cancel_ends_the_script_and_its_children_at_once()
    {
        await using var peer = await LoadAsync("#!/bin/sh\n[ -n \"$Http_Query\" ] && exit 0\nsleep 1000 &\necho pid $! >&2\nsleep 1000\n");
        await peer.SendAsync(RuntimePeer.Request("x"u8.ToArray()));
        await peer.LogContainsAsync("pid ");
        await peer.SendAsync(new RuntimeFrame(FrameType.Cancel, false, 0, [], []));
        Assert.Equal("cancelled", (await peer.AnswerAsync()).Failure);
        var pid = int.Parse(peer.Log.Split("pid ")[1].Split('\n')[0], CultureInfo.InvariantCulture);
        await peer.UntilAsync(() => !Directory.Exists($"/proc/{pid}") || File.ReadAllText($"/proc/{pid}/stat").Contains(") Z", StringComparison.Ordinal));
        Assert.Equal(200, (await peer.CallAsync(query: "ok")).Status);
    }

    [RuntimeFact]
    public async Task A_cancel_right_behind_its_request_is_seen()
    {
        await using var peer = await LoadAsync("#!/bin/sh\nexec sleep 1000\n");
        await peer.SendAsync([.. RuntimePeer.Request("x"u8.ToArray()).ToBytes(), .. new RuntimeFrame(FrameType.Cancel, false, 0, [], []).ToBytes()]);
        Assert.Equal("cancelled", (await peer.AnswerAsync()).Failure);
    }

    [RuntimeFact]
    public async Task A_kernel_without_pidfd_will_do()
    {
        var script = RuntimeLanguage.Binary.Arguments[^1];
        var without = RuntimeLanguage.Binary with { Arguments = ["-I", "-S", "-E", "-c", $"import posix; del posix.pidfd_open; exec(compile(open('{script}').read(), '{script}', 'exec'))"] };
        await using var peer = await RuntimePeer.LoadAsync(without, "#!/bin/sh\nsleep ${Http_Query:-0} &\ncat\n[ -n \"$Http_Query\" ] && { echo pid $! >&2; wait; }\nexit 0\n");
        Assert.Equal("x", (await peer.CallAsync("x")).Text);
        Assert.Equal(1 << 20, (await peer.CallAsync(new byte[1 << 20])).Body.Length);
        await peer.SendAsync(RuntimePeer.Request("x"u8.ToArray(), query: "1000"));
        await peer.LogContainsAsync("pid ");
        await peer.SendAsync(new RuntimeFrame(FrameType.Cancel, false, 0, [], []));
        Assert.Equal("cancelled", (await peer.AnswerAsync()).Failure);
    }

    [RuntimeFact]
    public async Task The_daemons_leaving_ends_a_running_script()
    {
        await using var peer = await LoadAsync("#!/bin/sh\necho pid $$ >&2\nexec sleep 1000\n");
        await peer.SendAsync(RuntimePeer.Request([]));
        await peer.LogContainsAsync("pid ");
        peer.Close();
        Assert.Equal(0, await peer.ExitAsync());
        var pid = peer.Log.Split("pid ")[1].Trim();
        await peer.UntilAsync(() => !Directory.Exists($"/proc/{pid}"));
    }

    [RuntimeFact]
    public async Task A_body_of_64_MiB_passes_in_bounded_memory()
    {
        await using var peer = await LoadAsync("#!/bin/sh\nexec cat\n");
        var answer = await peer.CallAsync(new byte[64 << 20]);
        Assert.Equal((64 << 20, null), (answer.Body.Length, answer.Failure));
        var peak = File.ReadLines($"/proc/{peer.Process.Id}/status").First(line => line.StartsWith("VmHWM", StringComparison.Ordinal));
        Assert.InRange(int.Parse(peak.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture), 1, 20 * 1024);
    }

    [RuntimeFact]
    public async Task Descriptors_are_not_leaked()
    {
        await using var peer = await LoadAsync("#!/bin/sh\nls /proc/self/fd | wc -l\n");
        var first = (await peer.CallAsync()).Text;
        var before = Directory.GetFileSystemEntries($"/proc/{peer.Process.Id}/fd").Length;
        for (var i = 0; i < 20; i++) Assert.Equal(first, (await peer.CallAsync(Encoding.UTF8.GetBytes(new string('x', i * 10_000)))).Text);
        Assert.Equal(before, Directory.GetFileSystemEntries($"/proc/{peer.Process.Id}/fd").Length);
    }
}
