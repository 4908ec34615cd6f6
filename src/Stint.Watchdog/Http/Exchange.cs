using Stint.Watchdog.Loops;

namespace Stint.Watchdog.Http;

/// <summary>Why a call was given up.</summary>
internal enum EndReason
{
    /// <summary>It was not.</summary>
    None,

    /// <summary>It ran longer than <c>exec_timeout</c>.</summary>
    ExecTimeout,

    /// <summary>Its answer took longer than <c>write_timeout</c>.</summary>
    WriteTimeout,

    /// <summary>Nobody is there to take the answer.</summary>
    ClientGone,

    /// <summary>The watchdog has no more time to wait for it.</summary>
    Stopping,
}

/// <summary>One request and its answer on a connection; the same object serves the connection's next request.</summary>
internal sealed class Exchange(EventLoop loop, Descriptor socket)
{
    /// <summary>The loop it lives on.</summary>
    public EventLoop Loop => loop;

    /// <summary>The client.</summary>
    public Descriptor Socket => socket;

    /// <summary>The request's head.</summary>
    public RequestHead Head { get; } = new();

    /// <summary>The request's body.</summary>
    public RequestBody Body { get; } = new(socket);

    /// <summary>The answer.</summary>
    public Responder Reply { get; } = new(socket);

    /// <summary>When the head was there, as TimeProvider counts.</summary>
    public long Started { get; set; }

    /// <summary>Why the call was given up.</summary>
    public EndReason Ended { get; private set; }

    /// <summary>What the call in progress does to stop when it is given up.</summary>
    public Action? Stop { get; set; }

    /// <summary>What still reads the body when the answer is there already; the connection waits for it before it reads itself.</summary>
    public Task? Pump { get; set; }

    /// <summary>Ends all time limits of the connection: it has become something else than HTTP.</summary>
    public Action? LiftLimits { get; set; }

    /// <summary>Gives the call in progress up; the first reason stays.</summary>
    public void GiveUp(EndReason reason)
    {
        if (Ended != EndReason.None) return;
        Ended = reason;
        Stop?.Invoke();
    }

    /// <summary>Begins with a request whose head has been read.</summary>
    public void Begin(long now)
    {
        (Started, Ended, Stop, Pump) = (now, EndReason.None, null, null);
        Body.Begin(Head.Framing, Head.ExpectsContinue);
        Reply.Begin(Head);
    }
}
