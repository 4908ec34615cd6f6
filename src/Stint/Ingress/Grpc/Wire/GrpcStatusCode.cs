namespace Stint.Ingress.Grpc.Wire;

/// <summary>The codes of <c>grpc-status</c> (github.com/grpc/grpc, doc/statuscodes.md); the values are those on the wire.</summary>
internal enum GrpcStatusCode
{
    /// <summary>Success.</summary>
    Ok = 0,

    /// <summary>The caller left.</summary>
    Cancelled = 1,

    /// <summary>The request is unusable.</summary>
    InvalidArgument = 3,

    /// <summary>The caller's or the function's deadline passed.</summary>
    DeadlineExceeded = 4,

    /// <summary>There is no such function.</summary>
    NotFound = 5,

    /// <summary>A limit was met: a message's size, a queue's length.</summary>
    ResourceExhausted = 8,

    /// <summary>There is no such method, or an encoding is not known.</summary>
    Unimplemented = 12,

    /// <summary>The function failed, or the peer broke the protocol.</summary>
    Internal = 13,

    /// <summary>Nothing can run it now.</summary>
    Unavailable = 14,

    /// <summary>The caller may not do this.</summary>
    Unauthenticated = 16,
}
