using Stint.Ingress.Grpc.Services;

namespace Stint.Tests.Ingress.Grpc;

public sealed class ServingStateTests
{
    [Fact]
    public void Each_change_is_told_once_to_those_who_wait()
    {
        using var state = new ServingState();
        var (isServing, change) = state.Now;
        Assert.False(isServing);
        state.Set(isServing: false);
        Assert.False(change.IsCompleted);
        state.Set(isServing: true);
        Assert.True(change.IsCompleted);
        Assert.True(state.Now.IsServing);
    }

    [Fact]
    public void After_the_stop_nothing_changes_any_more()
    {
        using var state = new ServingState();
        state.Set(isServing: true);
        state.Stop();
        state.Set(isServing: true);
        Assert.False(state.Now.IsServing);
        Assert.True(state.Stopping.IsCancellationRequested);
    }
}
