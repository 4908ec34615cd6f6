using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Backends.Processes.Spawning;
using Stint.Backends.Vms;
using Stint.Functions;
using Stint.Tests.Functions;
using Stint.Telemetry.Logs;

namespace Stint.Tests.Backends.Vms;

public sealed class VmConsoleTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-console-").FullName;

    private readonly FunctionLogs _logs;

    public VmConsoleTests() => _logs = new FunctionLogs(Path.Combine(_folder, "logs"), 1 << 20, TimeProvider.System, NullLogger.Instance);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _logs.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_panic_is_found_although_its_line_comes_in_pieces()
    {
        using var console = Make();
        Take(console, "[    1.0] Kernel panic - not syn");
        Assert.False(console.Panicked.IsCompleted);
        Take(console, "cing: VFS: Unable to mount root fs\r\nmore\n");
        Assert.Equal("VFS: Unable to mount root fs", console.Panicked.Result.TrimEnd());
    }

    [Fact]
    public void What_QEMU_itself_says_of_a_panic_is_none()
    {
        using var console = Make();
        console.Take(OutputStream.Error, "Kernel panic - not syncing: x\n"u8);
        Assert.False(console.Panicked.IsCompleted);
    }

    [Fact]
    public void The_file_has_all_until_it_is_full_and_is_not_written_after()
    {
        using (var console = Make())
        {
            Take(console, "first\n");
            var megabyte = new byte[1 << 20];
            megabyte.AsSpan().Fill((byte)'x');
            for (var i = 0; i < 6; i++) console.Take(OutputStream.Out, megabyte);
        }
        var file = new FileInfo(Path.Combine(_folder, "log.txt"));
        Assert.Equal(4 << 20, file.Length);
        using var reader = file.OpenText();
        Assert.Equal("first", reader.ReadLine());
    }

    private VmConsole Make() => new(Workbench.Name("f"), "i", Path.Combine(_folder, "log.txt"), _logs);

    private static void Take(VmConsole console, string text) => console.Take(OutputStream.Out, Encoding.UTF8.GetBytes(text));
}
