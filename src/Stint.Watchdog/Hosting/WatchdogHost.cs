// The watchdog's life:
//
//   start    ports, the process of mode=http, lock file: healthy
//   SIGTERM  lock file away, /_/health says 503; requests are still answered for healthcheck_interval, so that whoever routes them notices
//   drain    no new connections; idle ones are closed, calls in progress have write_timeout
//   end      what still runs is killed; the process of mode=http gets SIGTERM, and after a while SIGKILL
using System.Collections;
using System.Runtime.InteropServices;
using Stint.Watchdog.Files;
using Stint.Watchdog.Functions;
using Stint.Watchdog.Http;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;
using Stint.Watchdog.Settings;
using Stint.Watchdog.Telemetry;
using Stint.Watchdog.Upstreams;

namespace Stint.Watchdog.Hosting;

/// <summary>Puts the parts together and runs them until the end.</summary>
internal sealed class WatchdogHost
{
    private const int MaxLoops = 4; // more threads than that do not start processes any faster
    private static readonly TimeSpan LookTime = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan ProcessFarewell = TimeSpan.FromSeconds(10); // arbitrary: docker stop's patience

    private readonly WatchdogSettings _settings;
    private readonly RequestMetrics _metrics = new();
    private readonly Health _health;
    private readonly Crew[] _crews;
    private readonly Wakeup _wait;
    private readonly LoopTimer _timer;
    private UpstreamProcess? _process;
    private Listener? _listener, _metricsListener;
    private int _exitCode;
    private bool _stopping, _hurried;

    /// <summary>Prepares.</summary>
    public WatchdogHost(WatchdogSettings settings)
    {
        _settings = settings;
        _health = new(settings);
        _crews = [.. Enumerable.Range(0, Math.Clamp(Environment.ProcessorCount, 1, MaxLoops)).Select(static _ => new Crew(new EventLoop(TimeProvider.System)))];
        _wait = new(_crews[0].Loop);
        _timer = new(_crews[0].Loop, _wait.Set);
    }

    /// <summary>Runs until it is told to end.</summary>
    /// <returns>The exit code: 0 after SIGTERM or SIGINT, 1 when it could not start or its process has ended.</returns>
    public int Run()
    {
        _ = Libc.signal(Libc.SigPipe, 1); // SIG_IGN: who does not read any more is told by EPIPE
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => OnSignal(context, "SIGTERM"));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => OnSignal(context, "SIGINT"));
        try
        {
            Start();
        }
        catch (Exception failure) when (failure is System.ComponentModel.Win32Exception or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            WatchdogLog.Write($"fwatchdog: {failure.Message}");
            _process?.Signal(Libc.SigKill);
            return 1;
        }
        foreach (var crew in _crews.Skip(1)) new Thread(crew.Loop.Run) { IsBackground = true, Name = "loop" }.Start();
        _crews[0].Loop.Run();
        return _exitCode;
    }

    private void Start()
    {
        var loop = _crews[0].Loop;
        var variables = Environment.GetEnvironmentVariables();
        WatchdogLog.Write($"Watchdog mode: {(_settings.Mode == WatchdogMode.Classic ? "classic" : _settings.Mode.ToString().ToLowerInvariant())}\tfprocess: \"{string.Join(' ', _settings.Process)}\"");
        var function = MakeFunction(loop, variables);
        _listener = new Listener(_crews, _settings.Port, new FunctionPort(_settings, function, _health, _metrics), _settings);
        WatchdogLog.Write($"Timeouts: read: {GoDuration.Format(_settings.ReadTimeout)} write: {GoDuration.Format(_settings.WriteTimeout)} hard: {GoDuration.Format(_settings.ExecTimeout)} health: {GoDuration.Format(_settings.HealthcheckInterval)}");
        ListenForMetrics();
        Orphans.Watch(loop);
        _health.Begin();
        WatchdogLog.Write($"Listening on port: {_listener.Port}");
        _ = _listener.RunAsync(); // ends with the listener
    }

    private IAnswerer MakeFunction(EventLoop loop, IDictionary variables)
    {
        switch (_settings.Mode)
        {
            case WatchdogMode.Static:
                WatchdogLog.Write($"Serving files at: {_settings.StaticPath}");
                return new StaticFunction(_settings);
            case WatchdogMode.Http:
                var addresses = UpstreamAddress.Resolve(_settings.Upstream!, static () => File.Exists("/etc/hosts") ? File.ReadLines("/etc/hosts") : []);
                if (addresses.Count == 0) throw new InvalidOperationException($"the host of upstream_url, {_settings.Upstream!.Host}, is neither an address nor localhost nor in /etc/hosts");
                _process = new UpstreamProcess(loop, _settings, variables, ProcessEnded);
                return new UpstreamFunction(_settings, addresses, TimeProvider.System);
            case WatchdogMode.Classic or WatchdogMode.Streaming or WatchdogMode.Serializing:
            default:
                return new ForkingFunction(_settings, variables);
        }
    }

    private void ListenForMetrics()
    {
        if (_settings.MetricsPort is not { } port) return;
        try
        {
            _metricsListener = new Listener(_crews, port, new MetricsPages(_metrics), _settings);
            WatchdogLog.Write($"Metrics on port: {_metricsListener.Port}");
            _ = _metricsListener.RunAsync(); // ends with the listener
        }
        catch (System.ComponentModel.Win32Exception failure)
        {
            // Two watchdogs in one network namespace are no reason not to serve.
            WatchdogLog.Write($"there are no metrics: {failure.Message}. Set metrics_port to another port, or to off");
        }
    }

    // On a thread of the runtime's.
    private void OnSignal(PosixSignalContext context, string name)
    {
        context.Cancel = true;
        _crews[0].Loop.Post(() =>
        {
            if (_stopping)
            {
                _hurried = true;
                _wait.Set();
            }
            else _ = StopAsync(name);
        });
    }

    private void ProcessEnded()
    {
        _wait.Set();
        if (_stopping) return;
        // Without its process it can answer nothing: whoever started it starts it anew.
        _exitCode = 1;
        _health.End();
        _crews[0].Loop.Stop();
    }

    private async Task StopAsync(string signal)
    {
        _stopping = true;
        try
        {
            WatchdogLog.Write($"{signal}: no new connections in {GoDuration.Format(_settings.HealthcheckInterval)}");
            _health.End();
            await WaitAsync(_settings.HealthcheckInterval, static () => false);

            WatchdogLog.Write($"No new connections allowed, draining: {_metrics.InFlight} requests");
            _listener?.Dispose();
            _metricsListener?.Dispose();
            foreach (var crew in _crews) crew.Close();
            await WaitAsync(_settings.WriteTimeout > TimeSpan.Zero ? _settings.WriteTimeout : TimeSpan.MaxValue, () => _metrics.InFlight == 0);

            WatchdogLog.Write($"Exiting. Active connections: {_metrics.InFlight}");
            foreach (var crew in _crews) crew.GiveUp();
            _process?.Signal(Libc.SigTerm);
            _hurried = false;
            await WaitAsync(ProcessFarewell, () => _metrics.InFlight == 0 && _process is null or { HasEnded: true });
            _process?.Signal(Libc.SigKill);
        }
        finally
        {
            _crews[0].Loop.Stop();
        }
    }

    private async ValueTask WaitAsync(TimeSpan limit, Func<bool> isDone)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!_hurried && !isDone())
        {
            var left = limit - TimeProvider.System.GetElapsedTime(started);
            if (left <= TimeSpan.Zero) return;
            _timer.Arm(left < LookTime ? left : LookTime);
            await _wait;
        }
    }
}
