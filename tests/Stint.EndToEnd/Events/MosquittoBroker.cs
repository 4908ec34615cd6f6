using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Stint.Backends.Processes.Spawning;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Events;

/// <summary>A real broker, Eclipse Mosquitto, with its own folder and port. It keeps sessions and messages when it is stopped and started again.</summary>
internal sealed class MosquittoBroker : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-mqtt-").FullName;
    private readonly List<string> _log = [];
    private Process? _process;

    private MosquittoBroker(Func<string, string>? more)
    {
        File.WriteAllText(Path.Combine(_folder, "mosquitto.conf"), string.Create(CultureInfo.InvariantCulture, $"""
            user root
            persistence true
            persistence_location {_folder}/
            max_queued_messages 0
            log_type error
            log_type warning
            log_type notice
            listener {Port} 127.0.0.1
            {more?.Invoke(_folder) ?? "allow_anonymous true"}

            """));
    }

    /// <summary>Its port, on the loopback.</summary>
    public int Port { get; } = FreePorts.Take();

    /// <summary>What it logged.</summary>
    public string Log
    {
        get { lock (_log) return string.Join('\n', _log); }
    }

    /// <summary>Starts one.</summary>
    /// <param name="more">Further lines of its configuration, given its folder; without any, everybody may do everything.</param>
    public static async Task<MosquittoBroker> StartAsync(Func<string, string>? more = null)
    {
        var broker = new MosquittoBroker(more);
        await broker.StartAgainAsync();
        return broker;
    }

    /// <summary>Starts it again after <see cref="StopAsync"/>.</summary>
    public async Task StartAgainAsync()
    {
        _process = new Process { StartInfo = Programs.Prepare(["/usr/sbin/mosquitto", "-c", Path.Combine(_folder, "mosquitto.conf")], _folder) };
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _process.Start();
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await Retry.UntilAsync("the broker listens", () =>
        {
            if (_process.HasExited) throw new InvalidOperationException($"mosquitto ended with {_process.ExitCode}: {Log}");
            try
            {
                using var probe = new TcpClient("127.0.0.1", Port);
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        });
    }

    /// <summary>Stops it; it writes down what it has.</summary>
    public async Task StopAsync()
    {
        Posix.Check(Posix.kill(_process!.Id, 15), "kill");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _process.WaitForExitAsync(limit.Token);
        _process.Dispose();
        _process = null;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process is { } process)
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
        Directory.Delete(_folder, recursive: true);
    }

    private void Keep(string? line)
    {
        if (line is null) return;
        lock (_log) _log.Add(line);
    }
}
