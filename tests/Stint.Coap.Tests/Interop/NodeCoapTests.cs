using System.Globalization;
using System.Text.Json;
using Stint.Coap.Tests.Support;

namespace Stint.Coap.Tests.Interop;

/// <summary>The npm package coap against our server.</summary>
public sealed class NodeCoapTests : IAsyncLifetime
{
    private readonly InteropServer _server = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _server.DisposeAsync().AsTask();

    private async Task<JsonElement> Client(string rest)
    {
        var (exitCode, output, errors) = await Tools.RunAsync("node", Tools.NodeClient, Tools.NodeModules, string.Create(CultureInfo.InvariantCulture, $$"""{"port":{{_server.Port}},{{rest}}}"""));
        Assert.True(exitCode == 0, output + errors);
        return JsonDocument.Parse(output).RootElement;
    }

    [ToolFact("node", "npm:coap")]
    public async Task Quick_and_slow_answers_arrive()
    {
        var quick = await Client("""
            "path":"/echo","method":"POST","payload":"hello","contentFormat":"application/json"
            """);
        Assert.Equal(("2.05", "hello", "application/json"), (quick.GetProperty("code").GetString(), quick.GetProperty("text").GetString(), quick.GetProperty("format").GetString()));
        var slow = await Client("""
            "path":"/slow"
            """);
        Assert.Equal("slow but sure", slow.GetProperty("text").GetString());
        Assert.Equal(1, _server.Counters[CoapEvent.SeparateResponse]);
        var non = await Client("""
            "path":"/query","query":"a=1&b=2","confirmable":false
            """);
        Assert.Equal("a=1|b=2", non.GetProperty("text").GetString());
    }

    [ToolFact("node", "npm:coap")]
    public async Task A_large_answer_arrives_whole()
    {
        var answer = await Client("""
            "path":"/large"
            """);
        Assert.Equal(65_536, answer.GetProperty("length").GetInt32());
        Assert.Equal(InteropServer.Large.Aggregate(0u, (sum, b) => unchecked((sum * 31) + b)), answer.GetProperty("sum").GetUInt32());
    }

    [ToolFact("node", "npm:coap")]
    public async Task An_observer_hears_ticks_and_leaves()
    {
        var answer = await Client("""
            "path":"/tick","observe":3
            """);
        var ticks = answer.GetProperty("seen").EnumerateArray().Select(tick => tick.GetString()).ToArray();
        Assert.Equal(3, ticks.Distinct().Count());
        Assert.All(ticks, tick => Assert.StartsWith("tick ", tick, StringComparison.Ordinal));
        await Eventually.Holds(() => _server.Counters[CoapEvent.Notification] >= 2);
    }

    [ToolFact("node", "npm:coap")]
    public async Task An_unknown_resource_is_4_04() => Assert.Equal("4.04", (await Client("""
        "path":"/nowhere"
        """)).GetProperty("code").GetString());
}
