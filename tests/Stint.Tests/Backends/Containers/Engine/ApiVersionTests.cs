using Stint.Backends.Containers.Engine;

namespace Stint.Tests.Backends.Containers.Engine;

public sealed class ApiVersionTests
{
    [Theory]
    [InlineData("1.41", "", "/v1.41/info")]
    [InlineData("1.43", "", "/v1.43/info")]
    [InlineData("1.44", "", "/v1.44/info")]
    [InlineData("1.52", "1.44", "/v1.44/info")]
    [InlineData("1.60", "1.50", "/v1.50/info")]
    [InlineData("1.60", "?", "/v1.44/info")]
    public async Task The_newest_version_that_both_know_is_spoken(string theirs, string oldest, string asked)
    {
        await using var engine = new PlayedEngine(call => call.Target switch
        {
            "/_ping" => call.AnswerAsync(200, "OK", $"Api-Version: {theirs}\r\n"),
            "/version" => call.AnswerAsync(200, $$"""{"Version":"x","ApiVersion":"{{theirs}}","MinAPIVersion":"{{oldest}}"}"""),
            _ => call.AnswerAsync(200, "{}"),
        });
        using var client = engine.Client();
        await client.ReadInfoAsync(default);
        await client.ReadInfoAsync(default);
        Assert.Equal(["GET " + asked, "GET " + asked], engine.Asked.TakeLast(2));
        Assert.Single(engine.Asked, "GET /_ping");
    }

    [Theory]
    [InlineData("Api-Version: 1.40\r\n", nameof(EngineFault.Rejected), "too old")]
    [InlineData("", nameof(EngineFault.Broken), "no API version")]
    [InlineData("Api-Version: new\r\n", nameof(EngineFault.Broken), "no API version")]
    [InlineData("Api-Version: 1.\r\n", nameof(EngineFault.Broken), "no API version")]
    [InlineData("Api-Version: -1.41\r\n", nameof(EngineFault.Broken), "no API version")]
    [InlineData("Api-Version: 1.41/../..\r\n", nameof(EngineFault.Broken), "no API version")]
    public async Task Others_are_refused(string header, string fault, string why)
    {
        await using var engine = new PlayedEngine(call => call.AnswerAsync(200, "OK", header));
        using var client = engine.Client();
        var failure = await Assert.ThrowsAsync<EngineException>(() => client.PingAsync(default));
        Assert.Equal(fault, failure.Fault.ToString());
        Assert.Contains(why, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_engine_that_was_away_is_asked_again_for_it_may_be_another()
    {
        var version = "1.41";
        var isGone = false;
        await using var engine = new PlayedEngine(call => call.IsPing ? call.AnswerAsync(200, "OK", $"Api-Version: {version}\r\n") : isGone ? Task.CompletedTask : call.AnswerAsync(200, "{}"));
        using var client = engine.Client();
        await client.ReadInfoAsync(default);
        isGone = true;
        Assert.Equal(EngineFault.BrokeOff, (await Assert.ThrowsAsync<EngineException>(() => client.ReadInfoAsync(default))).Fault);
        (isGone, version) = (false, "1.43");
        await client.ReadInfoAsync(default);
        Assert.Equal("GET /v1.43/info", engine.Asked.Last());
    }
}
