using Stint.Ingress.Grpc;
using Stint.Ingress.Grpc.Wire;
using Stint.Invocations;

namespace Stint.Tests.Ingress.Grpc;

/// <summary>That every outcome has the code of docs/errors.md is tested with the other protocols' (ErrorTableTests).</summary>
public sealed class GrpcOutcomeTests
{
    [Fact]
    public void Text_and_pause_of_a_refusal_reach_the_status()
    {
        using var reply = Reply.Failure(Outcome.Shed, "later", TimeSpan.FromSeconds(2));
        Assert.Equal(new GrpcStatus(GrpcStatusCode.ResourceExhausted, "later", TimeSpan.FromSeconds(2)), GrpcOutcome.Status(reply));
    }

    [Fact]
    public void Every_code_is_the_standards() => Assert.Equal(
        [(0, "Ok"), (1, "Cancelled"), (3, "InvalidArgument"), (4, "DeadlineExceeded"), (5, "NotFound"), (8, "ResourceExhausted"), (12, "Unimplemented"), (13, "Internal"), (14, "Unavailable"), (16, "Unauthenticated")],
        Enum.GetValues<GrpcStatusCode>().Select(static code => ((int)code, code.ToString())));
}
