namespace Stint.Backends.Processes.Protocol;

/// <summary>The messages of the instance protocol (docs/runtime-interface.md, "Frames").</summary>
internal enum FrameType : byte
{
    /// <summary>→ runtime: a call.</summary>
    Request = 1,

    /// <summary>Both ways: a further piece of a body.</summary>
    Body = 2,

    /// <summary>→ runtime: nobody waits for the answer any more.</summary>
    Cancel = 3,

    /// <summary>→ runtime: load this function.</summary>
    Load = 4,

    /// <summary>→ runtime: is it still there?</summary>
    Ping = 5,

    /// <summary>→ daemon: a connection is there.</summary>
    Hello = 16,

    /// <summary>→ daemon: the function's answer.</summary>
    Response = 17,

    /// <summary>→ daemon: the function is loaded.</summary>
    Ready = 18,

    /// <summary>→ daemon: the function failed.</summary>
    Failure = 19,

    /// <summary>→ daemon: it is.</summary>
    Pong = 20,
}
