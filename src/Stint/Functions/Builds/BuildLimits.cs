namespace Stint.Functions.Builds;

/// <summary>The limits of a build command, wherever it runs.</summary>
internal static class BuildLimits
{
    /// <summary>Ends when a limit is reached, with which one it was.</summary>
    /// <param name="command">The command whose limits and work folder these are.</param>
    /// <param name="measureEvery">How often the work folder is measured. A build may exceed its size by what it writes in between.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Stops the watch: the command has ended.</param>
    public static async Task<BuildEnd> WatchAsync(BuildCommand command, TimeSpan measureEvery, TimeProvider time, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            var left = command.TimeLimit - time.GetElapsedTime(started);
            if (left <= TimeSpan.Zero) return BuildEnd.TimedOut;
            await Task.Delay(left < measureEvery ? left : measureEvery, time, cancellationToken).ConfigureAwait(false);
            if (FolderSize.Measure(command.WorkFolder) > command.SizeLimit) return BuildEnd.TooLarge;
        }
    }
}
