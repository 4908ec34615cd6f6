using System.Threading.Channels;

namespace Stint.Functions.Registry;

/// <summary>
/// Says when the registry's folder may have changed. It only wakes: what changed is found by looking, so lost, doubled or misnamed notifications do no harm.
/// </summary>
internal sealed partial class RegistryWatch(RegistryLayout layout, RegistryOptions options, TimeProvider time, ILogger logger) : IDisposable
{
    private readonly Channel<bool> _wakes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private FolderNotifications? _notifications;
    private bool _isComplete;
    private bool _hasComplained;

    /// <summary>Watches what is there now. Look at everything afterwards.</summary>
    public void Renew()
    {
        try
        {
            _notifications ??= new FolderNotifications(Wake);
            _isComplete = _notifications.Follow(layout.Root, layout.Staging);
            _hasComplained = false;
        }
        catch (IOException e)
        {
            _isComplete = false;
            if (!_hasComplained) LogUnwatched(e, layout.Root, options.RescanUnwatched.TotalSeconds);
            _hasComplained = true;
        }
    }

    /// <summary>Lets <see cref="NextAsync"/> return soon.</summary>
    public void Wake() => _wakes.Writer.TryWrite(true);

    /// <summary>Returns when something may have changed and has settled, or when it is time to look anyway.</summary>
    public async Task NextAsync(CancellationToken cancellationToken)
    {
        if (!await WakesWithinAsync(_isComplete ? options.RescanEvery : options.RescanUnwatched, cancellationToken)) return;
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
    public void Dispose() => _notifications?.Dispose();

    [LoggerMessage(2301, LogLevel.Warning, "Cannot watch {Root}; looking at it every {Seconds} s instead. Raise fs.inotify.max_user_watches and fs.inotify.max_user_instances")]
    private partial void LogUnwatched(Exception error, string root, double seconds);
}
