namespace Stint.Watchdog.Settings;

/// <summary>How requests reach the function.</summary>
internal enum WatchdogMode
{
    /// <summary>No <c>mode</c> given: a process per request as the classic watchdog has it. Its answer is held back until its status is known, at most 64 KiB or a quarter of a second of it.</summary>
    Classic,

    /// <summary>A process per request; input and output flow at once.</summary>
    Streaming,

    /// <summary>A process per request; input and output are read whole first.</summary>
    Serializing,

    /// <summary>One process that speaks HTTP.</summary>
    Http,

    /// <summary>No process: files of a folder.</summary>
    Static,
}
