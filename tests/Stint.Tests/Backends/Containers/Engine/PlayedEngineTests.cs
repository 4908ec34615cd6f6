using Stint.Backends.Containers.Engine;

namespace Stint.Tests.Backends.Containers.Engine;

/// <summary>What tests of the client stand on.</summary>
public sealed class PlayedEngineTests
{
    [Fact]
    public async Task A_failed_assertion_in_a_script_ends_its_test_at_once_even_where_the_client_tries_again_for_ever()
    {
        var engine = new PlayedEngine(static call =>
        {
            if (!call.IsPing) Assert.Fail("not what the test expected");
            return Task.CompletedTask;
        });
        using (var client = engine.Client())
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            var failure = await Assert.ThrowsAsync<EngineException>(() => new ContainerLogs(client, TimeProvider.System).FollowAsync("c", static (_, _) => { }, limit.Token));
            Assert.Contains("not what the test expected", failure.Message, StringComparison.Ordinal);
        }
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await engine.DisposeAsync());
    }
}
