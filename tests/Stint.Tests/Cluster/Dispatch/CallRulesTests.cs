using Stint.Cluster.Dispatch;
using Stint.Invocations;

namespace Stint.Tests.Cluster.Dispatch;

/// <summary>When a call is tried on another worker.</summary>
public sealed class CallRulesTests
{
    [Theory]
    // Nothing has run: whatever the method.
    [InlineData((int)CallFate.Refused, "POST", true)]
    [InlineData((int)CallFate.NotSent, "POST", true)]
    // It may have run.
    [InlineData((int)CallFate.Lost, "POST", false)]
    [InlineData((int)CallFate.Lost, "PATCH", false)]
    [InlineData((int)CallFate.Lost, "get", false)]
    [InlineData((int)CallFate.Lost, "GET", true)]
    [InlineData((int)CallFate.Lost, "HEAD", true)]
    [InlineData((int)CallFate.Lost, "OPTIONS", true)]
    [InlineData((int)CallFate.Lost, "PUT", true)]
    [InlineData((int)CallFate.Lost, "DELETE", true)]
    // It is over.
    [InlineData((int)CallFate.Cancelled, "GET", false)]
    [InlineData((int)CallFate.Ended, "GET", false)]
    public void A_call_is_repeated_only_if_that_does_no_harm(int fate, string method, bool may)
    {
        Assert.Equal(may, CallRules.MayRepeat(new CallAttempt((CallFate)fate, null, "", ""), method));
        // A body of which some was taken is nobody else's.
        Assert.False(CallRules.MayRepeat(new CallAttempt((CallFate)fate, null, "", "") { IsBodySpent = true }, method));
    }

    [Fact]
    public void Only_what_never_ran_is_tried_elsewhere() => Assert.Equal(
        [Outcome.NotFound, Outcome.Shed, Outcome.NotImplemented, Outcome.Unavailable], Enum.GetValues<Outcome>().Where(CallRules.DidNotRun));
}
