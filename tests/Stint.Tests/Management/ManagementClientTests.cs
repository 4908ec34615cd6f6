using Stint.Management;
using Stint.Tests.Cli;

namespace Stint.Tests.Management;

public sealed class ManagementClientTests
{
    [Theory]
    [InlineData("localhost:8080", "http://localhost:8080/")]
    [InlineData("http://[::1]:8080", "http://[::1]:8080/")]
    [InlineData("[::1]:8080", "http://[::1]:8080/")]
    [InlineData("https://edge.example/stint-1", "https://edge.example/stint-1")]
    [InlineData("10.0.0.7", "http://10.0.0.7/")]
    [InlineData("ftp://x", null)]
    [InlineData("http://", null)]
    [InlineData("", null)]
    [InlineData("http://x:99999", null)]
    public void Addresses_are_read_as_people_type_them(string text, string? address)
    {
        Assert.Equal(address is not null, ManagementClient.TryParseAddress(text, out var parsed));
        if (address is not null) Assert.Equal(address, parsed!.AbsoluteUri);
    }

    [Fact]
    public async Task A_daemon_behind_a_path_is_reached()
    {
        await using var daemon = await PlayedDaemon.StartAsync();
        daemon.Instead = context => PlayedDaemon.RefuseAsync(context, System.Net.HttpStatusCode.NotFound, "not-found", "no");
        using var client = new ManagementClient(new Uri(daemon.Url + "/edge"), null, TimeProvider.System);
        await Assert.ThrowsAsync<ManagementException>(() => client.ListAsync(CancellationToken.None));
        Assert.Equal("GET /edge/stint/v1/functions", daemon.Requests.Single());
    }

    [Fact]
    public async Task A_daemon_that_does_not_answer_is_given_up()
    {
        await using var daemon = await PlayedDaemon.StartAsync();
        var asked = new TaskCompletionSource();
        daemon.Instead = context =>
        {
            asked.TrySetResult();
            return Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        };
        var time = new FiredByHand();
        using var client = new ManagementClient(new Uri(daemon.Url), null, time);
        var running = client.ListAsync(CancellationToken.None);
        await asked.Task.WaitAsync(Wait.Limit);
        Assert.False(running.IsCompleted);
        time.Fire();
        var failure = await Assert.ThrowsAsync<ManagementException>(() => running.WaitAsync(Wait.Limit));
        Assert.Equal(ManagementFailure.Broken, failure.Failure);
        Assert.Contains("did not answer within 30 s", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fields_of_a_newer_daemon_are_ignored_and_those_of_an_older_one_have_defaults()
    {
        await using var daemon = await PlayedDaemon.StartAsync();
        daemon.Instead = context => context.Response.Body.WriteAsync("""{"functions":[{"name":"x","colour":"blue"}]}"""u8.ToArray()).AsTask();
        using var client = new ManagementClient(new Uri(daemon.Url), null, TimeProvider.System);
        var function = Assert.Single(await client.ListAsync(CancellationToken.None));
        Assert.Equal(("x", "_", 0), (function.FullName, function.Module, function.Instances.Total));
    }

    [Theory]
    [InlineData("""{}""")]
    [InlineData("""{"functions":null}""")]
    [InlineData("""{"functions":[{}]}""")]
    [InlineData("""{"functions":[{"name":null}]}""")]
    [InlineData("""{"functions":[{"name":"x","problems":null}]}""")]
    [InlineData("""{"functions":[{"name":"x","instances":{}}]}""")]
    public async Task A_list_that_breaks_the_contract_is_no_list(string json)
    {
        await using var daemon = await PlayedDaemon.StartAsync();
        daemon.Instead = context => context.Response.Body.WriteAsync(System.Text.Encoding.UTF8.GetBytes(json)).AsTask();
        using var client = new ManagementClient(new Uri(daemon.Url), null, TimeProvider.System);
        var failure = await Assert.ThrowsAsync<ManagementException>(() => client.ListAsync(CancellationToken.None));
        Assert.Equal("not-stint", failure.Code);
    }

    /// <summary>Timers that fire when the test says so.</summary>
    private sealed class FiredByHand : TimeProvider
    {
        private readonly List<Action> _timers = [];

        public void Fire() => _timers.ForEach(fire => fire());

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _timers.Add(() => callback(state));
            return new Silent();
        }

        private sealed class Silent : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;
            public void Dispose() { }
            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
