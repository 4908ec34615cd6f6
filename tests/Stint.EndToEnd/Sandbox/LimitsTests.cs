using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Sandbox;

/// <summary>In the process sandbox.</summary>
public sealed class SandboxLimitsTests(SandboxDaemon shared) : LimitsTests(shared), IClassFixture<SandboxDaemon>;

/// <summary>Functions that take all they can get: they get what they may, their caller is told, everybody else goes on.</summary>
public abstract class LimitsTests(SandboxDaemon shared)
{
    private StintDaemon Daemon => shared.Daemon;

    /// <summary>How often a hog is killed until what is said of it is the limit.</summary>
    protected virtual int Hogs => 1;

    [Fact]
    public async Task A_fork_bomb_is_contained()
    {
        var bomb = Daemon.CallAsync("attacker", """
            import os, signal, time
            made = []
            try:
                while len(made) < 10000:
                    child = os.fork()
                    if child == 0:
                        time.sleep(30)
                        os._exit(0)
                    made.append(child)
            except OSError as e: result = f'{type(e).__name__} after {len(made)}'
            else: result = len(made)
            # The instance serves the other tests, too.
            for child in made: os.kill(child, signal.SIGKILL)
            for child in made: os.waitpid(child, 0)
            """);
        await StillServingAsync();
        var (status, body) = await bomb;
        Assert.Equal(200, status);
        Assert.StartsWith("BlockingIOError after ", body, StringComparison.Ordinal);
        Assert.InRange(int.Parse(body.Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture), 1, 32);
    }

    [Fact]
    public async Task A_memory_hog_is_killed_and_its_caller_told()
    {
        for (var last = Hogs; ; last--)
        {
            var hog = Daemon.CallAsync("attacker", "keep = []\nwhile True: keep.append(bytearray(8 << 20))");
            await StillServingAsync();
            var (status, body) = await hog;
            Assert.True(status is 502 or 500, $"{status} {body}");
            if (last > 1 && body.Contains("was killed", StringComparison.Ordinal) && !body.Contains("128 MiB", StringComparison.Ordinal)) continue;
            Assert.Contains(status == 502 ? "128 MiB" : "memory", body, StringComparison.OrdinalIgnoreCase);
            return;
        }
    }

    [Fact]
    public async Task Memory_eaten_by_its_children_counts_too()
    {
        var (status, body) = await Daemon.CallAsync("attacker", """
            import subprocess, sys
            children = [subprocess.Popen([sys.executable, '-c', 'import time; b = bytearray(60 << 20); time.sleep(3)']) for _ in range(4)]
            result = sorted({c.wait() for c in children})
            """);
        // Either the children died, or the kernel chose the runtime.
        Assert.True(status == 502 || (status == 200 && body.Contains("-9", StringComparison.Ordinal)), $"{status} {body}");
        await StillServingAsync();
    }

    [Theory]
    [InlineData("/tmp"), InlineData("/dev/shm")]
    public async Task A_full_folder_is_the_functions_own_trouble(string folder)
    {
        var body = await shared.AttackAsync($$"""
            import os
            written, n = 0, 0
            try:
                while written < 256 << 20:
                    path = f'{{folder}}/fill{n}'
                    n += 1
                    with open(path, 'wb', buffering=0) as f:
                        for _ in range(4): written += f.write(b'x' * (1 << 20))
                result = 'never full'
            except OSError as e: result = f'{e.errno} {written >> 20}'
            for i in range(n):
                if os.path.exists(f'{{folder}}/fill{i}'): os.remove(f'{{folder}}/fill{i}')
            """);
        var words = body.Split(' ');
        Assert.Equal("28", words[0]); // ENOSPC
        Assert.InRange(int.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture), 8, 17);
        await StillServingAsync();
    }

    [Fact]
    public async Task Open_files_are_limited()
    {
        var body = await shared.AttackAsync("import os\nfds = []\ntry:\n    while True: fds.append(os.open('/dev/null', 0))\nexcept OSError as e: result = f'{e.errno} {len(fds) < 1024}'\nfor fd in fds: os.close(fd)");
        Assert.Equal("24 True", body); // EMFILE
    }

    [Fact]
    public async Task The_size_of_a_file_is_limited()
    {
        var body = await shared.AttackAsync("import os, resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nfd = os.open('/tmp/large', os.O_CREAT | os.O_WRONLY)\ntry:\n    os.pwrite(fd, b'x', 64 << 20)\n    result = 'written'\nexcept OSError as e: result = e.errno\nos.close(fd)\nos.remove('/tmp/large')");
        Assert.Equal("27", body); // EFBIG
    }

    [Fact]
    public async Task Limits_cannot_be_raised() =>
        Assert.Equal("ValueError", await shared.AttackAsync("import resource\ntry:\n    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))\n    result = 'raised'\nexcept (ValueError, OSError) as e: result = type(e).__name__"));

    [Fact]
    public async Task A_busy_loop_leaves_others_their_share()
    {
        await Daemon.DeployPythonAsync("spins", "def fn(input, headers):\n    while True: pass\n", top: "timeout = 2");
        var spinning = Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Daemon.CallAsync("spins")));
        await StillServingAsync();
        Assert.All(await spinning, static answer => Assert.Equal(504, answer.Status));
    }

    [Fact]
    public async Task A_flood_of_output_neither_blocks_the_function_nor_fills_the_disk()
    {
        await Daemon.DeployPythonAsync("chatty", "def fn(input, headers):\n    for n in range(200000): print('x' * 100, n)\n    return 'said it'\n");
        Assert.Equal((200, "said it"), await Daemon.CallAsync("chatty"));
        var size = Directory.EnumerateFiles(Path.Combine(Daemon.State, "logs"), "*", SearchOption.AllDirectories).Sum(static path => new FileInfo(path).Length);
        Assert.InRange(size, 1, 20 << 20);
        await StillServingAsync();
    }

    [Fact]
    public async Task A_process_that_outlives_its_call_is_gone_with_its_instance()
    {
        await Daemon.DeployPythonAsync("stays", """
            import os, subprocess
            def fn(input, headers):
                subprocess.Popen(['setsid', 'sh', '-c', 'trap "" TERM HUP INT; while :; do sleep 1234; done'], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                return 'left'
            """);
        Assert.Equal((200, "left"), await Daemon.CallAsync("stays"));
        await Retry.UntilAsync("it runs", () => Sleepers().Count > 0);
        Assert.Equal(0, (await Daemon.CliAsync("rm", "stays")).Code);
        await Retry.UntilAsync("it is gone", () => Sleepers().Count == 0);
    }

    private List<string> Sleepers() => [.. Directory.EnumerateDirectories("/proc").Where(path =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(path, "cmdline")) == "sleep\01234\0" && ProcessMounts.Include(path, Daemon.Root);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    })];

    private async Task StillServingAsync()
    {
        for (var n = 0; n < 20; n++) Assert.Equal((200, "unharmed"), await Daemon.CallAsync("victim"));
    }
}
