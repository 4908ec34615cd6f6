namespace Stint.Backends.Containers.Engine;

/// <summary>A call of the container engine that failed. The message is for the user: what, why, what to do.</summary>
/// <param name="fault">How.</param>
/// <param name="message">For the user.</param>
/// <param name="inner">What it came from.</param>
internal sealed class EngineException(EngineFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>How it failed.</summary>
    public EngineFault Fault { get; } = fault;

    /// <summary>The engine's own words; null when it said nothing.</summary>
    public string? EngineMessage { get; init; }

    /// <summary>Whether the engine itself is away: another call would fail as well.</summary>
    public bool IsEngineAway => Fault is EngineFault.NoEngine or EngineFault.BrokeOff or EngineFault.TooSlow;
}

/// <summary>How a call of the container engine failed.</summary>
internal enum EngineFault
{
    /// <summary>Nothing listens at its address.</summary>
    NoEngine,

    /// <summary>This user may not use the socket, or a plugin of the engine forbids it.</summary>
    NoPermission,

    /// <summary>It has no image of that name.</summary>
    NoImage,

    /// <summary>It has no runtime of that name, or the runtime's program is missing.</summary>
    NoRuntime,

    /// <summary>It has no container of that id.</summary>
    NoContainer,

    /// <summary>It has no network of that name.</summary>
    NoNetwork,

    /// <summary>It has no volume of that name.</summary>
    NoVolume,

    /// <summary>It has no service, or secret, of that id.</summary>
    NoService,

    /// <summary>It is in no swarm, or no manager of one.</summary>
    NoSwarm,

    /// <summary>The addresses that a network was to have belong to another.</summary>
    Overlap,

    /// <summary>A name that is taken, or something that does not go in the state in which the thing is.</summary>
    Conflict,

    /// <summary>It refused what was asked for.</summary>
    Rejected,

    /// <summary>It failed while doing what was asked for.</summary>
    Failed,

    /// <summary>The connection ended before the answer: the engine went, and whether it did what was asked for is unknown.</summary>
    BrokeOff,

    /// <summary>No answer in time; whether it did what was asked for is unknown.</summary>
    TooSlow,

    /// <summary>What came is no answer of an engine.</summary>
    Broken,
}
