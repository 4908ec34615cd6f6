namespace Stint.Pools;

/// <summary>Where an instance is in its life; the picture stands in <see cref="FunctionPool"/>.</summary>
internal enum InstanceState
{
    /// <summary>Booting.</summary>
    Starting,

    /// <summary>Ready, with no call in it.</summary>
    Idle,

    /// <summary>Ready, with at least one call in it.</summary>
    Busy,

    /// <summary>Takes no more calls; goes when those in it have ended.</summary>
    Draining,

    /// <summary>Being disposed of, or failed.</summary>
    Dead,
}
