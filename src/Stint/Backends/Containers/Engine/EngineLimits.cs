namespace Stint.Backends.Containers.Engine;

/// <summary>Bounds of what we wait for and read of an engine, which may be a stranger behind TCP. Arbitrary where no source is named: far above what a good engine needs.</summary>
internal static class EngineLimits
{
    /// <summary>A connection.</summary>
    public static readonly TimeSpan Connect = TimeSpan.FromSeconds(5);

    /// <summary>A question that changes nothing.</summary>
    public static readonly TimeSpan Question = TimeSpan.FromSeconds(30);

    /// <summary>A change: engines work off a burst of creates and starts slowly.</summary>
    public static readonly TimeSpan Change = TimeSpan.FromMinutes(2);

    /// <summary>An answer in one piece, bytes: a list of some ten thousand containers.</summary>
    public const int Answer = 32 * 1024 * 1024;

    /// <summary>An error's body, bytes.</summary>
    public const int Error = 64 * 1024;

    /// <summary>One object of a stream of objects, bytes.</summary>
    public const int Line = 1024 * 1024;
}
