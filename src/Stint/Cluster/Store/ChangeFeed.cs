namespace Stint.Cluster.Store;

/// <summary>
/// Says when the store may have changed: at once after a <c>NOTIFY</c>, after each new connection, and every few seconds besides. It only wakes; what changed is found by looking at the numbers, so a
/// notification that was lost does no harm.
/// </summary>
/// <param name="store">The store.</param>
/// <param name="every">How often to look without a notification; also how soon a connection that is dead and does not say so is noticed.</param>
/// <param name="time">The clock.</param>
internal sealed class ChangeFeed(ClusterStore store, TimeSpan every, TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    // Seconds until a connection counts as dead.
    private readonly int _patience = Math.Max(2, (int)(every * 2).TotalSeconds);

    /// <summary>Runs until the token fires.</summary>
    /// <param name="onPosition">Called with how far the store has come; its failure with a <see cref="StoreException"/> counts as one of the connection.</param>
    /// <param name="onAway">Called once for each failure of the connection.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task RunAsync(Func<StorePosition, Task> onPosition, Action<StoreException> onAway, CancellationToken cancellationToken)
    {
        var pause = FirstPause;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await ListenAsync(async position =>
                {
                    await onPosition(position).ConfigureAwait(false);
                    pause = FirstPause;
                }, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (StoreException e)
            {
                store.DropIdle();
                onAway(e);
            }
            try
            {
                await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    private async Task ListenAsync(Func<StorePosition, Task> onPosition, CancellationToken cancellationToken)
    {
        await using var connection = await store.ConnectAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // First listen, then look: what is committed in between is either seen or reported.
            await connection.ExecuteAsync($"listen {ClusterStore.ChangeChannel}", [], cancellationToken).ConfigureAwait(false);
            while (true)
            {
                await onPosition(await ClusterStore.PositionAsync(connection, cancellationToken, _patience).ConfigureAwait(ConfigureAwaitOptions.ForceYielding)).ConfigureAwait(false);
                await connection.WaitAsync(every, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is not StoreException && StoreException.From(e, store.Address) is { } known)
        {
            throw known;
        }
    }
}
