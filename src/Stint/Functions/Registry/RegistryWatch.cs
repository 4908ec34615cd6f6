using System.Threading.Channels;
using Stint.Functions.Bundles;

namespace Stint.Functions.Registry;

/// <summary>
/// Says when the registry's folder may have changed. It only wakes: what changed is found by looking, so lost, doubled or misnamed notifications do no harm.
/// </summary>
internal sealed partial class RegistryWatch(string root, RegistryOptions options, TimeProvider time, ILogger logger) : IDisposable
{
    private readonly Channel<bool> _wakes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private FileSystemWatcher? _watcher;
    private ulong _watchedInode;

    /// <summary>
    /// Makes the watcher anew when there is none, the folder is another one than before, or <paramref name="again"/> says so: after folders were exchanged, notifications
    /// can follow the one that was moved away.
    /// </summary>
    public void Renew(bool again = false)
    {
        var exists = FileStat.TryRead(root, out var stat);
        if (exists && !again && _watcher is not null && stat.Inode == _watchedInode) return;
        _watcher?.Dispose();
        _watcher = null;
        if (!exists) return;
        try
        {
            var watcher = new FileSystemWatcher(root)
            {
                IncludeSubdirectories = true,
                NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size | NotifyFilters.Attributes,
            };
            watcher.Changed += (_, _) => Wake();
            watcher.Created += (_, _) => Wake();
            watcher.Deleted += (_, _) => Wake();
            watcher.Renamed += (_, _) => Wake();
            watcher.Error += (_, _) => Wake();
            watcher.EnableRaisingEvents = true;
            (_watcher, _watchedInode) = (watcher, stat.Inode);
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            LogUnwatched(e, root, options.RescanUnwatched.TotalSeconds);
        }
    }

    /// <summary>Lets <see cref="NextAsync"/> return soon.</summary>
    public void Wake() => _wakes.Writer.TryWrite(true);

    /// <summary>Returns when something may have changed and has settled, or when it is time to look anyway.</summary>
    public async Task NextAsync(CancellationToken cancellationToken)
    {
        if (!await WakesWithinAsync(_watcher is null ? options.RescanUnwatched : options.RescanEvery, cancellationToken)) return;
        var began = time.GetTimestamp();
        while (time.GetElapsedTime(began) < options.LongestQuiet && await WakesWithinAsync(options.Quiet, cancellationToken)) { }
    }

    private async Task<bool> WakesWithinAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return await _wakes.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _watcher?.Dispose();

    [LoggerMessage(2301, LogLevel.Warning, "Cannot watch {Root}; looking at it every {Seconds} s instead. Raise fs.inotify.max_user_watches and fs.inotify.max_user_instances")]
    private partial void LogUnwatched(Exception error, string root, double seconds);
}
