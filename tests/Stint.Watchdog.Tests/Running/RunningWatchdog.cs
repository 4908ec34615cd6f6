using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Stint.Watchdog.Tests.Running;

/// <summary>A real watchdog in its own folder on free ports. FWATCHDOG names another executable to test, such as the native one. Disposing of it proves that nothing is left running.</summary>
internal sealed class RunningWatchdog : IAsyncDisposable
{
    /// <summary>For whatever must happen, on a machine that has much else to do.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly string _marker = $"WATCHDOG_TEST={Guid.NewGuid():N}";
    private readonly StringBuilder _log = new();
    private readonly TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;

    private RunningWatchdog(string folder, IEnumerable<(string Name, string Value)> variables, string[] arguments)
    {
        Folder = folder;
        var native = Environment.GetEnvironmentVariable("FWATCHDOG");
        var start = new ProcessStartInfo(string.IsNullOrEmpty(native) ? "dotnet" : native) { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = folder };
        if (string.IsNullOrEmpty(native)) start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "fwatchdog.dll"));
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        start.Environment["TMPDIR"] = folder;
        start.Environment["port"] = "0";
        start.Environment["metrics_port"] = "0";
        start.Environment["healthcheck_interval"] = "0";
        start.Environment[_marker.Split('=')[0]] = _marker.Split('=')[1];
        foreach (var (name, value) in variables) start.Environment[name] = value;
        _process = Process.Start(start)!;
        _reading = Task.WhenAll(ReadAsync(_process.StandardError), ReadAsync(_process.StandardOutput));
        Client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { Timeout = Patience };
    }

    public string Folder { get; }

    public HttpClient Client { get; }

    public int Port { get; private set; }

    public int MetricsPort { get; private set; }

    public int Id => _process.Id;

    public string Log
    {
        get
        {
            lock (_log) return _log.ToString();
        }
    }

    /// <summary>Starts one that serves.</summary>
    public static async Task<RunningWatchdog> StartAsync(params (string Name, string Value)[] variables) => await StartAsync(NewFolder(), variables);

    public static async Task<RunningWatchdog> StartAsync(string folder, params (string Name, string Value)[] variables)
    {
        var watchdog = new RunningWatchdog(folder, variables, []);
        var first = await Task.WhenAny(watchdog._listening.Task, watchdog._process.WaitForExitAsync(), Task.Delay(Patience, TimeProvider.System));
        if (first != watchdog._listening.Task) throw new InvalidOperationException("the watchdog does not listen: " + watchdog.Log);
        watchdog.Port = watchdog.Number("Listening on port: ");
        watchdog.MetricsPort = watchdog.Number("Metrics on port: ");
        watchdog.Client.BaseAddress = new Uri($"http://127.0.0.1:{watchdog.Port}");
        return watchdog;
    }

    /// <summary>Runs one that ends by itself.</summary>
    public static async Task<(int ExitCode, string Log)> RunAsync((string Name, string Value)[] variables, params string[] arguments)
    {
        await using var watchdog = new RunningWatchdog(NewFolder(), variables, arguments);
        return (await watchdog.ExitAsync(), watchdog.Log);
    }

    public static string NewFolder() => Directory.CreateTempSubdirectory("stint-watchdog-").FullName;

    /// <summary>Writes a shell script into a folder; a function for <c>fprocess</c>.</summary>
    public static string Script(string folder, string text)
    {
        var path = Path.Combine(folder, $"fn{Directory.GetFiles(folder).Length}.sh");
        File.WriteAllText(path, "#!/bin/sh\n" + text + "\n");
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        return path;
    }

    public void Signal(string name)
    {
        using var kill = Process.Start("/bin/kill", ["-" + name, Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public async Task<int> ExitAsync()
    {
        using var patience = new CancellationTokenSource(Patience, TimeProvider.System);
        await _process.WaitForExitAsync(patience.Token);
        await _reading.WaitAsync(patience.Token);
        return _process.ExitCode;
    }

    public static async Task UntilAsync(string what, Func<bool> isSo)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!isSo())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < Patience, "this did not come to be: " + what);
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }

    /// <summary>A connection for what HttpClient would not send.</summary>
    public async Task<RawClient> ConnectAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync("127.0.0.1", Port);
        return new RawClient(socket);
    }

    /// <summary>Processes that were started by this watchdog, directly or not.</summary>
    public int Children() => Directory.GetDirectories("/proc").Count(folder =>
        int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid) && pid != Id && ReadOrNothing(Path.Combine(folder, "environ")).Contains(_marker, StringComparison.Ordinal));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (!_process.HasExited)
        {
            Signal("TERM");
            Signal("TERM");
            using var patience = new CancellationTokenSource(Patience, TimeProvider.System);
            await _process.WaitForExitAsync(patience.Token);
        }
        await UntilAsync("no process of the watchdog's is left", () => Children() == 0);
        _process.Dispose();
        Directory.Delete(Folder, recursive: true);
        Assert.DoesNotContain("ended with an error", Log, StringComparison.Ordinal);
    }

    private int Number(string before)
    {
        var log = Log;
        var at = log.IndexOf(before, StringComparison.Ordinal);
        return at < 0 ? 0 : int.Parse(log[(at + before.Length)..].Split('\n')[0], CultureInfo.InvariantCulture);
    }

    private async Task ReadAsync(StreamReader stream)
    {
        while (await stream.ReadLineAsync() is { } line)
        {
            lock (_log) _log.Append(line).Append('\n');
            if (line.Contains("Listening on port: ", StringComparison.Ordinal)) _listening.TrySetResult();
        }
    }

    private static string ReadOrNothing(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
