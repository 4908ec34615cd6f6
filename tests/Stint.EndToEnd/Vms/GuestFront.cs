using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Vms.Images;
using Stint.EndToEnd.Fixtures;
using Stint.Functions.Specification;
using Stint.Hosting;

namespace Stint.EndToEnd.Vms;

/// <summary>What serves a function inside a guest (runtimes/guest/serve.py), with the real runtimes, but on this host: what it answers does not depend on the machine around it.</summary>
internal sealed class GuestFront : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-front-").FullName;
    private readonly ConcurrentQueue<string> _output = new();
    private Process? _process;
    private Task _pumps = Task.CompletedTask;

    private GuestFront() => Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri($"http://127.0.0.1:{Port}/"), Timeout = TimeSpan.FromSeconds(60) };

    /// <summary>Its port.</summary>
    public int Port { get; } = FreePorts.Take();

    /// <summary>Speaks to it.</summary>
    public HttpClient Http { get; }

    /// <summary>What it and the function printed.</summary>
    public string Output => string.Join('\n', _output);

    /// <summary>Starts one and returns when it serves.</summary>
    public static async Task<GuestFront> ServeAsync(string toml, params (string Path, string Text)[] files)
    {
        var front = Start(toml, "", files);
        await Retry.UntilAsync($"the front serves; it says: {front.Output}", () =>
        {
            using var probe = new System.Net.Sockets.TcpClient();
            try
            {
                probe.Connect("127.0.0.1", front.Port);
                return true;
            }
            catch (System.Net.Sockets.SocketException)
            {
                return false;
            }
        });
        return front;
    }

    /// <summary>Starts one.</summary>
    public static GuestFront Start(string toml, string callback, params (string Path, string Text)[] files)
    {
        var front = new GuestFront();
        front.Launch(toml, callback, files);
        return front;
    }

    /// <summary>Waits for its end; its exit code.</summary>
    public async Task<int> ExitAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _process!.WaitForExitAsync(limit.Token);
        await _pumps;
        return _process.ExitCode;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (!_process!.HasExited) _process.Kill(entireProcessTree: true);
        await _pumps;
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Launch(string toml, string callback, (string Path, string Text)[] files)
    {
        // The function is another user, as in a guest.
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
        var code = Path.Combine(_folder, "code");
        FunctionFiles.Write(code, files);
        foreach (var script in Directory.GetFiles(code, "*.sh")) File.SetUnixFileMode(script, (UnixFileMode)0b111_101_101);
        var ours = Path.Combine(_folder, "stint");
        Directory.CreateDirectory(ours);
        var runtimes = RuntimeFiles.Unpack(ours);
        Directory.Move(runtimes, Path.Combine(_folder, "guest-runtimes"));
        Directory.Delete(Path.Combine(ours, "runtimes"));
        Directory.Move(Path.Combine(_folder, "guest-runtimes"), Path.Combine(ours, "runtimes"));
        var interpreters = new RuntimeInterpreters(HostPrograms.Find("python3"), HostPrograms.Find("node"));
        // Paths of a guest become those of this test.
        var fields = Encoding.UTF8.GetString(GuestFunction.Settings(FunctionToml.Read(toml).Spec!, interpreters)).Split('\0')
            .Select(field => field == SandboxPaths.Code ? code : field == SandboxPaths.Socket ? Path.Combine(_folder, "run", "socket") : field.Replace(GuestFunction.Folder + "/runtimes", ours + "/runtimes", StringComparison.Ordinal));
        File.WriteAllText(Path.Combine(ours, "function"), string.Join('\0', fields));
        var start = new ProcessStartInfo(interpreters.Python3!, ["-I", "-S", "-B", Path.Combine(ours, "runtimes", "guest", "serve.py"), callback, $"{Port}"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/",
        };
        _process = Process.Start(start)!;
        _process.StandardInput.Close();
        _pumps = Task.WhenAll(PumpAsync(_process.StandardOutput), PumpAsync(_process.StandardError));
    }

    private async Task PumpAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line) _output.Enqueue(line);
    }
}
