namespace Stint.Scheduling.Metrics;

/// <summary>Workers as a Prometheus server measures them, asked every few seconds: the way FunLess does it. While it does not answer, workers are taken at their own word.</summary>
internal sealed partial class MeasuredWorkers : IAsyncDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(2);

    /// <summary>How old what was measured may be: a tenth of what Prometheus itself allows (its lookback, five minutes).</summary>
    private static readonly TimeSpan Age = TimeSpan.FromSeconds(30);

    private readonly PrometheusMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private volatile Reading? _reading;
    private bool _isAway;

    /// <summary>Begins to ask.</summary>
    /// <param name="metrics">The server; taken over.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told when the server does not answer, and when it does again.</param>
    public MeasuredWorkers(PrometheusMetrics metrics, TimeProvider time, ILogger<MeasuredWorkers> logger)
    {
        (_metrics, _time, _logger) = (metrics, time, logger);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>How many machines the server knew when it was asked last; null while workers are taken at their own word.</summary>
    public int? Machines => Recent?.Workers.Count;

    private Reading? Recent => _reading is { } reading && _time.GetElapsedTime(reading.At) <= Age ? reading : null;

    /// <summary>A worker with its memory as it was measured; what the server does not know is not known, as in FunLess. The worker itself when the server has not answered for half a minute.</summary>
    public WorkerSnapshot Over(WorkerSnapshot worker)
    {
        if (Recent is not { } reading) return worker;
        return reading.Workers.TryGetValue(worker.Name, out var measured) ? measured.Over(worker) : worker with { Memory = null };
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _metrics.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                try
                {
                    _reading = new Reading(await _metrics.ReadAsync(_stop.Token).ConfigureAwait(false), _time.GetTimestamp());
                    if (_isAway) LogBack();
                    _isAway = false;
                }
                catch (IOException e)
                {
                    if (!_isAway) LogAway(e.Message);
                    _isAway = true;
                }
                await Task.Delay(Every, _time, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // DisposeAsync asked for it.
        }
    }

    private sealed record Reading(IReadOnlyDictionary<string, WorkerMetrics> Workers, long At);

    [LoggerMessage(2775, LogLevel.Warning, "{Problem}; until it answers, workers are taken at their own word")]
    private partial void LogAway(string problem);

    [LoggerMessage(2776, LogLevel.Information, "Prometheus answers again: workers' memory is what it says")]
    private partial void LogBack();
}
