namespace Stint.Invocations;

/// <summary>What a call may wait for at the machine where it is tried. Where it may not, it is answered <see cref="Outcome.Shed"/> at once and can be tried on another machine.</summary>
internal enum CallWait
{
    /// <summary>For an instance, as long as the function's queue allows.</summary>
    InQueue,

    /// <summary>For an instance that is started for it, but not for the end of another call, and not for room that others hold.</summary>
    ForStart,

    /// <summary>For nothing: it runs in an instance that is free now.</summary>
    Never,
}
