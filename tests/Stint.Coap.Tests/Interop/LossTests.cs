using System.Globalization;

namespace Stint.Coap.Tests.Interop;

/// <summary>What a bad network must not do: lose an answer, or run a request twice.</summary>
public sealed class LossTests : IAsyncLifetime
{
    private readonly InteropServer _server = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _server.DisposeAsync().AsTask();

    [ToolFact(Tools.CoapClient)]
    public async Task Over_a_network_that_drops_doubles_and_reorders_each_request_is_answered_and_runs_once()
    {
        await using var relay = new LossyRelay(_server.Port, seed: 7252);

        // Every second one is slow, so that its answer is a separate one with an acknowledgement of its own to lose.
        string[] bodies = [.. Enumerable.Range(0, 40).Select(i => string.Create(CultureInfo.InvariantCulture, $"request-{i}-{(i % 2 == 0 ? 'q' : 's')}"))];
        var answers = await Task.WhenAll(bodies.Select(body => Tools.RunAsync(Tools.CoapClient, "-m", "post", "-e", body, _server.Url("/once", relay.Port))));

        Assert.Equal(bodies.Select(body => "ran " + body), answers.Select(answer => answer.Output.Trim()));
        Assert.All(bodies, body => Assert.Equal(1, _server.Runs[body]));
        Assert.True(relay is { Dropped: > 5, Doubled: > 5, Delayed: > 5 }, $"the network was too good: {relay.Dropped} dropped, {relay.Doubled} doubled, {relay.Delayed} delayed");
        Assert.True(_server.Counters[CoapEvent.Duplicate] > 0);
    }

    [ToolFact(Tools.CoapClient)]
    public async Task A_block_wise_upload_over_such_a_network_arrives_whole_and_runs_once()
    {
        await using var relay = new LossyRelay(_server.Port, seed: 7959);
        var bodies = Enumerable.Range(0, 4).Select(i => string.Concat(Enumerable.Repeat($"body {i} ", 400))).ToArray();
        var answers = await Task.WhenAll(bodies.Select(async body =>
        {
            var file = Path.GetTempFileName();
            try
            {
                await File.WriteAllTextAsync(file, body);
                return await Tools.RunAsync(Tools.CoapClient, "-m", "post", "-b", "512", "-f", file, _server.Url("/once", relay.Port));
            }
            finally
            {
                File.Delete(file);
            }
        }));

        Assert.Equal(bodies.Select(body => "ran " + body[..40]), answers.Select(answer => answer.Output.TrimEnd('\n')));
        Assert.Equal(4, _server.Runs.Count);
        Assert.All(bodies, body => Assert.Equal(1, _server.Runs[body]));
    }
}
