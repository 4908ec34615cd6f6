namespace Stint.Ingress.Grpc.Wire;

/// <summary>How a call ended, as its trailers say it.</summary>
/// <param name="Code"><c>grpc-status</c>.</param>
/// <param name="Message"><c>grpc-message</c>, not yet percent-encoded.</param>
/// <param name="RetryAfter"><c>grpc-retry-pushback-ms</c>: when another try may succeed.</param>
internal readonly record struct GrpcStatus(GrpcStatusCode Code, string Message = "", TimeSpan? RetryAfter = null)
{
    /// <summary>Success.</summary>
    public static GrpcStatus Ok { get; } = new(GrpcStatusCode.Ok);
}

/// <summary>Ends a call from below: the peer sent what no method can use, or a limit was met.</summary>
internal sealed class GrpcException(GrpcStatusCode code, string message) : Exception(message)
{
    /// <summary>What the caller is told.</summary>
    public GrpcStatus Status => new(code, Message);
}
