using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Backends.Processes.Spawning;
using Stint.Backends.Vms;
using Stint.Tests.Functions;
using Stint.Telemetry.Logs;

namespace Stint.Tests.Backends.Vms;

public sealed class VmConsoleTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-console-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_panic_is_found_although_its_line_comes_in_pieces()
    {
        await using var logs = Logs();
        using var console = Make(logs);
        Take(console, "[    1.0] Kernel panic - not syn");
        Assert.False(console.Panicked.IsCompleted);
        Take(console, "cing: VFS: Unable to mount root fs\r\nmore\n");
        Assert.Equal("VFS: Unable to mount root fs", (await console.Panicked.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System)).TrimEnd());
    }

    [Fact]
    public async Task What_QEMU_itself_says_of_a_panic_is_none()
    {
        await using var logs = Logs();
        using var console = Make(logs);
        console.Take(OutputStream.Error, "Kernel panic - not syncing: x\n"u8);
        Assert.False(console.Panicked.IsCompleted);
    }

    [Fact]
    public async Task The_file_has_all_until_it_is_full_and_is_not_written_after()
    {
        await using var logs = Logs();
        using (var console = Make(logs))
        {
            Take(console, "first\n");
            var megabyte = new byte[1 << 20];
            megabyte.AsSpan().Fill((byte)'x');
            for (var i = 0; i < 6; i++) console.Take(OutputStream.Out, megabyte);
        }
        var file = new FileInfo(Path.Combine(_folder, "log.txt"));
        Assert.Equal(4 << 20, file.Length);
        using var reader = file.OpenText();
        Assert.Equal("first", await reader.ReadLineAsync());
    }

    private FunctionLogs Logs() => new(Path.Combine(_folder, "logs"), 1 << 20, TimeProvider.System, NullLogger.Instance);

    private VmConsole Make(FunctionLogs logs) => new(Workbench.Name("f"), "i", Path.Combine(_folder, "log.txt"), logs);

    private static void Take(VmConsole console, string text) => console.Take(OutputStream.Out, Encoding.UTF8.GetBytes(text));
}
