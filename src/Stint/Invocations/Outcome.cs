namespace Stint.Invocations;

/// <summary>
/// Every way in which an invocation can end. Each ingress maps it to its protocol's codes in one switch;
/// docs/errors.md holds the table and a test compares the two.
/// </summary>
internal enum Outcome
{
    /// <summary>The function answered; status and headers are its own, whatever they say.</summary>
    Answered,

    /// <summary>The function raised an error or broke off by its own doing (exception, non-zero exit).</summary>
    FunctionFailed,

    /// <summary>There is no such function.</summary>
    NotFound,

    /// <summary>The request itself is unusable (bad name, bad header, unreadable body).</summary>
    BadRequest,

    /// <summary>The caller may not do this.</summary>
    Unauthorized,

    /// <summary>The body is larger than the limit.</summary>
    TooLarge,

    /// <summary>Refused at once: the function's queue is full.</summary>
    Shed,

    /// <summary>The caller asked for a protocol (an upgrade of HTTP) that the function does not speak.</summary>
    NotImplemented,

    /// <summary>Nothing can run it now: no instance could be started, or none became free in time.</summary>
    Unavailable,

    /// <summary>The deadline passed.</summary>
    TimedOut,

    /// <summary>The instance died while it ran the call.</summary>
    Crashed,

    /// <summary>The instance broke the instance protocol.</summary>
    ContractBroken,

    /// <summary>The caller left before there was an answer; nobody will see this.</summary>
    Cancelled,
}
