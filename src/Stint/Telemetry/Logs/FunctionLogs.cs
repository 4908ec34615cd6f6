// The logs of all functions. Whoever has a line puts it into one bounded queue and goes on: no function and no request ever waits for a disk. One task writes the queue to the files and to
// whoever follows. When the queue is full, lines are dropped and counted, and the function's log says how many.
using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Stint.Invocations;

namespace Stint.Telemetry.Logs;

/// <summary>The log of each function: <c>STATE/logs/MODULE/NAME.log</c>, one JSON object a line, rotated once (<c>NAME.log.1</c>) at a size limit.</summary>
internal sealed partial class FunctionLogs : IAsyncDisposable
{
    private const int QueueLength = 8192;
    private const int FollowerQueueLength = 1024;

    private readonly Channel<(FunctionName Function, LogLine Line)> _queue = Channel.CreateBounded<(FunctionName, LogLine)>(new BoundedChannelOptions(QueueLength) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
    private readonly ConcurrentDictionary<FunctionName, int> _dropped = new();
    private readonly ConcurrentDictionary<Channel<LogLine>, FunctionName?> _followers = new();
    private readonly Dictionary<FunctionName, LogFile> _files = [];
    private readonly Lock _filesLock = new();
    private readonly string _folder;
    private readonly long _maxSize;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Task _writer;

    /// <summary>Opens the logs.</summary>
    /// <param name="folder">Where the files go.</param>
    /// <param name="maxSize">Bytes at which a file is rotated.</param>
    /// <param name="time">Stamps the lines.</param>
    /// <param name="logger">Told when a file cannot be written.</param>
    public FunctionLogs(string folder, long maxSize, TimeProvider time, ILogger logger)
    {
        (_folder, _maxSize, _time, _logger) = (folder, maxSize, time, logger);
        Directory.CreateDirectory(folder);
        _writer = Task.Run(WriteAllAsync);
    }

    /// <summary>Adds a line. Never waits.</summary>
    public void Append(FunctionName function, string instance, string stream, string text)
    {
        var line = new LogLine(_time.GetUtcNow(), function.ToString(), instance, stream, text);
        if (!_queue.Writer.TryWrite((function, line))) _dropped.AddOrUpdate(function, 1, static (_, count) => count + 1);
    }

    /// <summary>The last lines of a function, or of all functions in the order of time.</summary>
    /// <param name="function">Null for all.</param>
    /// <param name="tail">How many lines at most; null for all that are kept.</param>
    public IReadOnlyList<LogLine> Read(FunctionName? function, int? tail)
    {
        var lines = new List<LogLine>();
        foreach (var path in function is { } one ? [PathOf(one)] : AllFiles())
        {
            lines.AddRange(LogFile.Read(path + ".1"));
            lines.AddRange(LogFile.Read(path));
        }
        if (function is null) lines.Sort(static (a, b) => a.Time.CompareTo(b.Time));
        return tail is { } count && lines.Count > count ? lines.GetRange(lines.Count - count, count) : lines;
    }

    /// <summary>Lines from now on, until cancelled. A follower that reads too slowly loses the oldest.</summary>
    public async IAsyncEnumerable<LogLine> FollowAsync(FunctionName? function, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var lines = Channel.CreateBounded<LogLine>(new BoundedChannelOptions(FollowerQueueLength) { FullMode = BoundedChannelFullMode.DropOldest });
        _followers[lines] = function;
        try
        {
            await foreach (var line in lines.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false)) yield return line;
        }
        finally
        {
            _followers.TryRemove(lines, out _);
        }
    }

    /// <summary>Forgets a function that was removed, with its files.</summary>
    public void Remove(FunctionName function)
    {
        lock (_filesLock)
        {
            if (_files.Remove(function, out var file)) file.Dispose();
            File.Delete(PathOf(function));
            File.Delete(PathOf(function) + ".1");
        }
    }

    /// <summary>Writes what is queued and closes the files; followers end.</summary>
    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _writer.ConfigureAwait(false);
        foreach (var follower in _followers.Keys) follower.Writer.TryComplete();
        lock (_filesLock)
        {
            foreach (var file in _files.Values) file.Dispose();
            _files.Clear();
        }
    }

    private string PathOf(FunctionName function) => Path.Combine(_folder, function.Module, function.Name + ".log");

    private string[] AllFiles() => Directory.Exists(_folder) ? Directory.GetFiles(_folder, "*.log", SearchOption.AllDirectories) : [];

    private async Task WriteAllAsync()
    {
        while (await _queue.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            lock (_filesLock)
            {
                while (_queue.Reader.TryRead(out var item))
                {
                    WriteOne(item.Function, item.Line);
                    if (_dropped.TryRemove(item.Function, out var count))
                        WriteOne(item.Function, new LogLine(_time.GetUtcNow(), item.Line.Function, "", "system", $"{count} lines were dropped: they came faster than they could be written"));
                }
                foreach (var file in _files.Values) file.Flush();
            }
        }
    }

    private void WriteOne(FunctionName function, LogLine line)
    {
        foreach (var (follower, wanted) in _followers)
            if (wanted is null || wanted == function) follower.Writer.TryWrite(line);
        try
        {
            if (!_files.TryGetValue(function, out var file)) _files[function] = file = new LogFile(PathOf(function), _maxSize);
            file.Write(JsonSerializer.SerializeToUtf8Bytes(line, LogJson.Default.LogLine));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            LogWriteFailed(_logger, function, failure.Message);
        }
    }

    [LoggerMessage(100, LogLevel.Warning, "the log of {Function} cannot be written: {Problem}")]
    private static partial void LogWriteFailed(ILogger logger, FunctionName function, string problem);
}
