using Stint.Ingress.Grpc.Wire;
using Stint.Invocations;

namespace Stint.Ingress.Grpc;

/// <summary>gRPC's side of the table in docs/errors.md: the code for each way in which an invocation can end.</summary>
internal static class GrpcOutcome
{
    /// <summary>The code. UNAVAILABLE is left to what may safely be tried again at once by a client's own policy: a call that died in its instance may have had its effect.</summary>
    public static GrpcStatusCode Code(Outcome outcome) => outcome switch
    {
        Outcome.Answered => GrpcStatusCode.Ok,
        Outcome.BadRequest => GrpcStatusCode.InvalidArgument,
        Outcome.Unauthorized => GrpcStatusCode.Unauthenticated,
        Outcome.NotFound => GrpcStatusCode.NotFound,
        Outcome.TooLarge => GrpcStatusCode.ResourceExhausted,
        Outcome.Shed => GrpcStatusCode.ResourceExhausted,
        Outcome.Cancelled => GrpcStatusCode.Cancelled,
        Outcome.FunctionFailed => GrpcStatusCode.Internal,
        Outcome.NotImplemented => GrpcStatusCode.Unimplemented,
        Outcome.Crashed => GrpcStatusCode.Internal,
        Outcome.ContractBroken => GrpcStatusCode.Internal,
        Outcome.Unavailable => GrpcStatusCode.Unavailable,
        Outcome.TimedOut => GrpcStatusCode.DeadlineExceeded,
    };

    /// <summary>What the caller is told of a reply that is not the function's own answer.</summary>
    public static GrpcStatus Status(Reply reply) => new(Code(reply.Outcome), reply.Error ?? "", reply.RetryAfter);
}
