namespace Stint.Functions.Registry;

/// <summary>How closely the registry's folder is watched.</summary>
internal sealed record RegistryOptions
{
    /// <summary>After a change, wait until nothing has changed for so long: a <c>cp -r</c> makes many changes. Default 150 ms.</summary>
    public TimeSpan Quiet { get; init; } = TimeSpan.FromMilliseconds(150);

    /// <summary>But never longer than so long after the first: a change takes effect within a second. Default 600 ms.</summary>
    public TimeSpan LongestQuiet { get; init; } = TimeSpan.FromMilliseconds(600);

    /// <summary>Look at everything so often even when nothing was reported: notifications can be lost. Default 30 s.</summary>
    public TimeSpan RescanEvery { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The same when the host gives no notifications at all (inotify's limits). Default 1 s.</summary>
    public TimeSpan RescanUnwatched { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A build that failed, not for the code's sake, is tried again after this, then twice that and so on up to half an hour. Default 30 s.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromSeconds(30);
}
