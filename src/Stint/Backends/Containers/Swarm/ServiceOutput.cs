using System.Text;
using Stint.Backends.Containers.Engine;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Containers.Swarm;

/// <summary>What a service's tasks print, on whichever node, on its way to the function's log; the last lines of each are kept for the message when it does not get ready.</summary>
internal sealed partial class ServiceOutput(SwarmHost host, FunctionName function) : IAsyncDisposable
{
    private const string TaskDetail = "com.docker.swarm.task.id=";
    private const int KeptLines = 10, KeptTasks = 16, LongestDetails = 4096;

    // The way of a line from another node.
    private static readonly TimeSpan TailPatience = TimeSpan.FromSeconds(3), TailPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Task, OutputKind Kind), LineSplitter> _lines = [];
    private readonly List<(string Task, Queue<string> Lines)> _tails = [];
    private readonly List<byte> _head = [];
    private CancellationTokenSource? _stop;
    private Task _following = Task.CompletedTask;
    private (string Task, OutputKind Kind)? _current;
    private long _last;

    /// <summary>Begins to follow a service.</summary>
    /// <param name="service">Its id.</param>
    /// <param name="since">From this moment of the engine's clock on, nanoseconds since 1970; null = from its beginning.</param>
    public void Follow(string service, long? since)
    {
        lock (_lock)
        {
            if (_stop is not null) return;
            _stop = new CancellationTokenSource();
            _last = since ?? 0;
            _following = FollowAsync(service, _stop.Token);
        }
    }

    /// <summary>Follows no more; another service may be followed then.</summary>
    public async Task StopAsync()
    {
        CancellationTokenSource? stop;
        Task following;
        lock (_lock) (stop, following, _stop) = (_stop, _following, null);
        if (stop is null) return;
        await stop.CancelAsync().ConfigureAwait(false);
        await following.ConfigureAwait(false);
        stop.Dispose();
    }

    /// <summary>The message, and under it what the task printed last.</summary>
    public async Task<string> WithTailAsync(string task, string message)
    {
        for (var began = host.Time.GetTimestamp(); ;)
        {
            // The first line may have others behind it.
            await Task.Delay(TailPause, host.Time).ConfigureAwait(false);
            lock (_lock)
            {
                if (_tails.Find(one => one.Task == SwarmTask.Short(task)).Lines is { Count: > 0 } kept) return $"{message}\n{string.Join('\n', kept)}";
            }
            if (host.Time.GetElapsedTime(began) >= TailPatience) return message;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => new(StopAsync());

    private async Task FollowAsync(string service, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                try
                {
                    await using var output = await host.Engine.Services.FollowLogsAsync(service, _last > 0 ? _last + 1 : null, cancellationToken).ConfigureAwait(false);
                    while (await output.ReadAsync(cancellationToken).ConfigureAwait(false) is { } piece) Take(piece);
                }
                catch (EngineException gone) when (gone.Fault is EngineFault.NoService)
                {
                    return;
                }
                catch (EngineException failure)
                {
                    if (!failure.IsEngineAway) NoOutput(host.Logger, function, failure.Message);
                }
                await Task.Delay(Pause, host.Time, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Nobody wants it any more.
        }
    }

    // A message begins with its moment, a blank, details ("name=value,name=value"), a blank.
    private void Take(in OutputPiece piece)
    {
        var bytes = piece.Bytes.Span;
        if (piece.IsStart)
        {
            _current = null;
            var blank = bytes.IndexOf((byte)' ');
            if (blank < 0 || !EngineTime.TryParse(bytes[..blank], out var moment)) return;
            // After a break it goes on behind the latest: of several tasks, whose moments are not in order, a line may be lost then.
            if (moment > _last) _last = moment;
            bytes = bytes[(blank + 1)..];
            _head.Clear();
        }
        if (_current is null)
        {
            // The details may be cut anywhere.
            var blank = bytes.IndexOf((byte)' ');
            _head.AddRange(blank < 0 ? bytes : bytes[..blank]);
            if (blank < 0)
            {
                if (_head.Count > LongestDetails) _head.Clear();
                return;
            }
            _current = (TaskOf(Encoding.UTF8.GetString(_head.ToArray())), piece.Kind);
            bytes = bytes[(blank + 1)..];
        }
        if (bytes.IsEmpty) return;
        var (task, kind) = _current.Value;
        if (!_lines.TryGetValue((task, kind), out var lines)) _lines[(task, kind)] = lines = new LineSplitter(line => Print(task, kind, line));
        lines.Take(bytes);
        if (_lines.Count > 4 * KeptTasks) _lines.Clear(); // of tasks that are long gone; a line in the making is lost at worst
    }

    private static string TaskOf(string details)
    {
        foreach (var detail in details.Split(','))
            if (detail.StartsWith(TaskDetail, StringComparison.Ordinal)) return SwarmTask.Short(detail[TaskDetail.Length..]);
        return "";
    }

    private void Print(string task, OutputKind kind, string line)
    {
        host.Logs.Append(function, task, kind == OutputKind.Stdout ? "stdout" : "stderr", line);
        lock (_lock)
        {
            var kept = _tails.Find(one => one.Task == task).Lines;
            if (kept is null)
            {
                if (_tails.Count == KeptTasks) _tails.RemoveAt(0);
                _tails.Add((task, kept = new Queue<string>()));
            }
            if (kept.Count == KeptLines) kept.Dequeue();
            kept.Enqueue(line);
        }
    }

    [LoggerMessage(241, LogLevel.Warning, "{Function}: no output of its service: {Problem}")]
    private static partial void NoOutput(ILogger logger, FunctionName function, string problem);
}
