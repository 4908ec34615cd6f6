using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Deliveries;
using Stint.Events;
using Stint.Events.Mqtt;
using Stint.Functions;
using Stint.Functions.Triggers;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Tests.Events;

public sealed class MqttIntakeTests : IAsyncLifetime, IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("stint-intake-").FullName;
    private readonly ConcurrentDictionary<FunctionName, EventCounters> _counters = new();
    private readonly List<Invocation> _calls = [];
    private readonly FunctionLogs _logs;
    private Func<Invocation, Reply?> _answer = static _ => null;

    public MqttIntakeTests() => _logs = new FunctionLogs(_folder, 1024 * 1024, TimeProvider.System, NullLogger<FunctionLogs>.Instance);

    [Fact]
    public async Task Each_function_gets_the_messages_of_its_filter_once()
    {
        var routes = new RouteTable([Route("one", "a/#"), Route("one", "a/b"), Route("two", "a/b"), Route("three", "c")]);
        Assert.Null(await ReceiveAsync(routes, Message("a/b"), Message("a/x"), Message("nobody")));
        Assert.Equal(["one a/b", "two a/b", "one a/x"], Called());
    }

    [Fact]
    public async Task A_broker_that_says_by_which_subscription_a_message_came_is_believed()
    {
        var routes = new RouteTable([Route("one", "a/#"), Route("two", "a/b")]);
        // It sends one copy for each.
        Assert.Null(await ReceiveAsync(routes, Message("a/b") with { Subscriptions = [MqttRoute.IdentifierOf("a/#")] }, Message("a/b") with { Subscriptions = [MqttRoute.IdentifierOf("a/b")] }));
        Assert.Equal(["one a/b", "two a/b"], Called());
        _calls.Clear();
        // One of a function that is gone; and a number that lies about the topic.
        Assert.Null(await ReceiveAsync(routes, Message("a/b") with { Subscriptions = [12345] }, Message("x") with { Subscriptions = [MqttRoute.IdentifierOf("a/#")] }));
        Assert.Empty(_calls);
    }

    [Fact]
    public async Task Retained_messages_are_for_those_who_want_them()
    {
        var routes = new RouteTable([Route("one", "a"), Route("two", "a", static e => e with { Retained = false })]);
        Assert.Null(await ReceiveAsync(routes, Message("a") with { IsRetained = true }));
        Assert.Equal(["one a"], Called());
        Assert.True(_calls[0].Headers.TryGet("X-Mqtt-Retain", out var retained) && retained == "true");
    }

    [Theory]
    [InlineData("{\"a\":1}", "application/json")]
    [InlineData("12", "application/json")]
    [InlineData("ü!", "text/plain; charset=utf-8")]
    [InlineData("", "text/plain; charset=utf-8")]
    [InlineData("{\"a\":1} trailing", "text/plain; charset=utf-8")]
    public async Task The_content_type_says_what_the_payload_is(string payload, string type)
    {
        Assert.Null(await ReceiveAsync(new RouteTable([Route("one", "a")]), Message("a", payload)));
        Assert.True(_calls[0].Headers.TryGet("Content-Type", out var said));
        Assert.Equal((type, payload, "mqtt"), (said, Encoding.UTF8.GetString(_calls[0].Body.ToArray()), _calls[0].Scheme));
    }

    [Fact]
    public async Task Bytes_are_bytes_and_the_sender_s_word_counts()
    {
        Assert.Null(await ReceiveAsync(new RouteTable([Route("one", "a")]), new MqttMessage("a", [0xff, 0]), new MqttMessage("a", [0xff]) { ContentType = "image/x" }, new MqttMessage("a", [0xff]) { ContentType = "a\r\nX-Evil: 1" }));
        Assert.Equal(["application/octet-stream", "image/x", "application/octet-stream"], _calls.Select(static call => call.Headers.TryGet("Content-Type", out var type) ? type : ""));
    }

    [Theory]
    [InlineData("plain/topic", "plain/topic")]
    [InlineData("with space", "with space")]
    [InlineData(" edge", "%20edge")]
    [InlineData("küche", "k%C3%BCche")]
    [InlineData("100%", "100%25")]
    [InlineData("a\r\nX-Evil: 1", "a%0D%0AX-Evil:%201")]
    public void A_topic_in_a_header_is_one_line_and_reads_back(string topic, string header)
    {
        Assert.Equal(header, MqttCall.Escape(topic));
        Assert.True(HeaderSyntax.IsValue(header));
        Assert.Equal(topic, MqttCall.Unescape(header));
    }

    [Fact]
    public async Task What_only_json_can_be_is_rejected_into_the_log()
    {
        var routes = new RouteTable([Route("one", "a") with { WantsJson = true }]);
        Assert.Null(await ReceiveAsync(routes, Message("a", "no json") with { Qos = 1 }, Message("a", "[1]") with { Qos = 1 }));
        Assert.Equal(["one a"], Called());
        Assert.Equal((1, 1), ((int)_counters[Name("one")].Rejected, (int)_counters[Name("one")].Accepted));
        Assert.Contains("not JSON", await LogAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_message_that_is_too_large_for_a_call_is_rejected_into_the_log()
    {
        Assert.Null(await ReceiveAsync(new RouteTable([Route("one", "a")]), Message("a", new string('x', 1001)) with { Qos = 1 }));
        Assert.Empty(_calls);
        Assert.Contains("1,001 bytes", await LogAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_taken_over_now_is_tried_again_and_nothing_else_is()
    {
        var refusals = 3;
        _answer = call => call.Function == Name("two") && refusals-- > 0 ? Reply.Overload(Outcome.Shed, "too many wait", TimeSpan.Zero) : null;
        Assert.Null(await ReceiveAsync(new RouteTable([Route("one", "a"), Route("two", "a")]), Message("a") with { Qos = 1 }));
        Assert.Equal(["one a", "two a", "two a", "two a", "two a"], Called());
        Assert.Equal((1, 1), ((int)_counters[Name("one")].Accepted, (int)_counters[Name("two")].Accepted));
    }

    [Fact]
    public async Task What_cannot_be_taken_over_in_time_is_left_with_the_broker()
    {
        _answer = static _ => Reply.Failure(Outcome.Unavailable, "the disk is full");
        var why = await ReceiveAsync(new RouteTable([Route("one", "a")]), TimeSpan.Zero, Message("a") with { Qos = 1 }, Message("a") with { Qos = 1 });
        Assert.Equal("2 of 2 could not be taken over: the disk is full", why);
    }

    [Fact]
    public async Task With_qos_0_it_is_lost_and_counted()
    {
        _answer = static _ => Reply.Failure(Outcome.Unavailable, "the disk is full");
        Assert.Null(await ReceiveAsync(new RouteTable([Route("one", "a")]), Message("a")));
        Assert.Equal(1, _counters[Name("one")].Lost);
    }

    [Fact]
    public async Task What_never_can_be_taken_over_is_rejected_into_the_log_and_acknowledged()
    {
        _answer = static _ => Reply.Failure(Outcome.NotFound, "no function one");
        Assert.Null(await ReceiveAsync(new RouteTable([Route("one", "a")]), Message("a") with { Qos = 1 }));
        Assert.Contains("no function one", await LogAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public void Each_filter_is_subscribed_to_once_with_the_highest_qos()
    {
        var subscriptions = new RouteTable([Route("one", "a", static e => e with { Qos = 0 }), Route("two", "a"), Route("three", "b", static e => e with { Qos = 0 })]).Subscriptions();
        Assert.Equal([("a", 1), ("b", 0)], subscriptions.Values.Select(static s => (s.Filter, s.Qos)).Order());
        Assert.All(subscriptions.Values, static s => Assert.InRange(s.Identifier, 1u, 268_435_455u));
    }

    [Fact]
    public void Answers_go_where_the_event_says_and_the_message_asks_but_never_in_a_circle()
    {
        var spec = new FunctionSpec { Events = [Mqtt("a/+") with { Reply = "out", Respond = true }, Mqtt("b") with { Reply = "out-b" }] };
        Assert.Equal(["out", "back"], Replies("a/x", "back"));
        Assert.Equal(["out"], Replies("a/x", null));
        Assert.Equal(["out"], Replies("a/x", "a/y")); // it would call the function again
        Assert.Equal(["out"], Replies("a/x", "wild/+"));
        Assert.Equal(["out-b"], Replies("b", "back")); // that event does not respond
        Assert.Empty(Replies("a/x", "back", scheme: "http"));

        List<string> Replies(string topic, string? response, string scheme = "mqtt")
        {
            var headers = new HeaderList { { MqttCall.TopicHeader, MqttCall.Escape(topic) } };
            if (response is not null) headers.Add(MqttCall.ResponseTopicHeader, MqttCall.Escape(response));
            var call = new Invocation { Function = Name("one"), CallId = "1", Headers = headers, Scheme = scheme };
            return [.. MqttReplies.Of(spec, call, new CallResult(200, null, default, default), _logs)
                .Select(static delivery => System.Text.Json.JsonDocument.Parse(delivery.Target).RootElement.GetProperty("topic").GetString()!)];
        }
    }

    public Task InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _logs.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static FunctionName Name(string name) => FunctionName.TryParse(name, out var result) ? result : default;

    private static EventSpec.Mqtt Mqtt(string topic) => new() { Broker = new MqttBroker { Host = "h" }, Topic = topic };

    private static MqttRoute Route(string function, string topic, Func<EventSpec.Mqtt, EventSpec.Mqtt>? change = null) =>
        new(Name(function), (change ?? (static e => e))(Mqtt(topic)), TopicFilter.TryParse(topic, out var filter, out var problem) ? filter : throw new InvalidOperationException(problem), false);

    private static MqttMessage Message(string topic, string payload = "x") => new(topic, Encoding.UTF8.GetBytes(payload));

    private Task<string?> ReceiveAsync(RouteTable routes, params MqttMessage[] batch) => ReceiveAsync(routes, Limit, batch);

    private Task<string?> ReceiveAsync(RouteTable routes, TimeSpan limit, params MqttMessage[] batch) => new MqttIntake(call =>
    {
        _calls.Add(call);
        return new ValueTask<Reply?>(_answer(call));
    }, _counters, 1000, _logs, TimeProvider.System).ReceiveAsync(routes, batch, limit, default);

    private List<string> Called() => [.. _calls.Select(static call => $"{call.Function} {(call.Headers.TryGet(MqttCall.TopicHeader, out var topic) ? topic : "")}")];

    private async Task<string> LogAsync()
    {
        await _logs.DisposeAsync();
        return string.Concat(Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories).Select(File.ReadAllText));
    }
}
