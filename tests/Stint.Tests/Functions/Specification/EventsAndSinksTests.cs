using Stint.Functions;
using Stint.Functions.Specification;

namespace Stint.Tests.Functions.Specification;

public sealed class EventsAndSinksTests
{
    private const string All = """
        [[event]]
        type = "mqtt"
        host = "broker.example"
        port = 18883
        username = "stint"
        password-secret = "mqtt-password"
        tls = true
        ca = "/etc/ca.pem"
        cert = "/etc/client.pem"
        key = "/etc/client.key"
        client-id = "kitchen"
        keepalive = 10
        session = 3600
        version = "3.1.1"
        topic = "$share/workers/sensors/+/temperature"
        qos = 0
        retained = false
        reply = "alarms"
        respond = true

        [[event]]
        type = "schedule"
        cron = "0 6 * * MON-FRI"
        zone = "Europe/Berlin"
        missed = "once"
        body = "wake up"

        [[sink]]
        type = "couchdb"
        url = "http://localhost:5984/results"
        username = "admin"
        password = "s3cret"

        [[sink]]
        type = "webhook"
        url = "https://example.com/hook"
        sign-secret = "hook-key"

        [[sink]]
        type = "mqtt"
        host = "::1"
        topic = "results"
        retain = true

        [[sink]]
        type = "file"
        path = "kitchen/results.jsonl"
        sync = false

        [process]
        runtime = "python3"

        """;

    [Fact]
    public void Every_key_arrives()
    {
        var reading = FunctionToml.Read(All);
        Assert.Empty(reading.Problems);
        var (events, sinks) = (reading.Spec!.Events, reading.Spec.Sinks);
        var mqtt = Assert.IsType<EventSpec.Mqtt>(events[0]);
        Assert.Equal(new EventSpec.Mqtt
        {
            Broker = new MqttBroker
            {
                Host = "broker.example", Port = 18883, Username = "stint", Password = new Password(null, "mqtt-password"), Tls = true, Ca = "/etc/ca.pem", Cert = "/etc/client.pem", Key = "/etc/client.key",
                ClientId = "kitchen", KeepAlive = TimeSpan.FromSeconds(10), Session = TimeSpan.FromHours(1), Version = MqttVersion.V311,
            },
            Topic = "$share/workers/sensors/+/temperature", Qos = 0, Retained = false, Reply = "alarms", Respond = true,
        }, mqtt);
        var schedule = Assert.IsType<EventSpec.Schedule>(events[1]);
        Assert.Equal(("0 6 * * MON-FRI", "Europe/Berlin", MissedRuns.Once, "wake up"), (schedule.Cron.ToString(), schedule.Zone.Id, schedule.Missed, schedule.Body));
        Assert.Equal(new SinkSpec.CouchDb { Url = new Uri("http://localhost:5984/results"), Username = "admin", Password = new Password("s3cret", null) }, sinks[0]);
        Assert.Equal(new SinkSpec.Webhook { Url = new Uri("https://example.com/hook"), SignSecret = "hook-key" }, sinks[1]);
        Assert.Equal(new SinkSpec.Mqtt { Broker = new MqttBroker { Host = "::1" }, Topic = "results", Retain = true }, sinks[2]);
        Assert.Equal(new SinkSpec.JsonLines { Path = "kitchen/results.jsonl", Sync = false }, sinks[3]);
    }

    [Fact]
    public void What_is_written_reads_back_and_is_written_the_same()
    {
        var spec = FunctionToml.Read(All).Spec!;
        var written = FunctionToml.Write(spec);
        Assert.Contains("[[event]]\ntype = \"mqtt\"\n", written, StringComparison.Ordinal);
        var again = FunctionToml.Read(written).Spec!;
        Assert.Equal(spec.Events, again.Events);
        Assert.Equal(spec.Sinks, again.Sinks);
        Assert.Equal(written, FunctionToml.Write(again));
    }

    [Fact]
    public void A_function_without_any_has_none()
    {
        var spec = FunctionToml.Read("[process]\nruntime = \"python3\"\n").Spec!;
        Assert.Empty(spec.Events);
        Assert.Empty(spec.Sinks);
        Assert.DoesNotContain("event", FunctionToml.Write(spec), StringComparison.Ordinal);
    }

    [Fact]
    public void The_usual_port_depends_on_tls()
    {
        Assert.Equal(1883, new MqttBroker { Host = "h" }.TcpPort);
        Assert.Equal(8883, new MqttBroker { Host = "h", Tls = true }.TcpPort);
    }

    [Fact]
    public void No_text_form_tells_a_password()
    {
        var spec = FunctionToml.Read(All.Replace("password-secret = \"mqtt-password\"", "password = \"hunter2\"", StringComparison.Ordinal)).Spec!;
        foreach (var text in spec.Events.Select(static e => $"{e} {e.Describe()}").Concat(spec.Sinks.Select(static s => $"{s} {s.Describe()}")))
        {
            Assert.DoesNotContain("hunter2", text, StringComparison.Ordinal);
            Assert.DoesNotContain("s3cret", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("[[event]]", "`event` is wrong: `type` is missing; it must be \"mqtt\" or \"schedule\"")]
    [InlineData("[[event]]\ntype = \"mqqt\"", "did you mean \"mqtt\"?")]
    [InlineData("[[event]]\ntype = \"http\"", "every function can be called over HTTP without it")]
    [InlineData("[[event]]\ntype = 1", "`type` must be \"mqtt\" or \"schedule\", not 1")]
    [InlineData("[event]\ntype = \"mqtt\"", "`event` must be tables, each under [[event]]")]
    [InlineData("event = [1]", "`event` must be tables, each under [[event]]")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"", "`topic` is missing in [[event]]")]
    [InlineData("[[event]]\ntype = \"mqtt\"\ntopic = \"t\"", "`host` is missing in [[event]]")]
    [InlineData("[[event]]\ntype = \"mqtt\"\ntopic = \"t\"\nhost = \"h h\"", "`host` must be a host's name or address")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"a#\"", "`topic` has a # that is not its last level")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"t\"\nqos = 2", "`qos` must be an integer from 0 to 1")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"t\"\nreply = \"a/+\"", "`reply` has a wildcard")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"a/#\"\nreply = \"a/b\"", "each answer would call the function again")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"t\"\nusrname = \"x\"", "unknown key `usrname` in [[event]]; did you mean `username`?")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"t\"\nusername = \"u\"\npassword = \"x\"\npassword-secret = \"y\"", "both given")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"t\"\npassword = \"x\"", "a password but no `username`")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"t\"\nca = \"/x\"", "`ca` is for TLS; add `tls = true`")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"t\"\ntls = true\ncert = \"/x\"", "`cert` and `key` belong together")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"t\"\ntls = true\nca = \"x\"", "the absolute path of a PEM file")]
    [InlineData("[[event]]\ntype = \"schedule\"", "`cron` is missing in [[event]]")]
    [InlineData("[[event]]\ntype = \"schedule\"\ncron = \"61 * * * *\"", "`cron` has the minute `61`")]
    [InlineData("[[event]]\ntype = \"schedule\"\ncron = \"@daily\"\nzone = \"Mars/Olympus\"", "this host knows none of the name \"Mars/Olympus\"")]
    [InlineData("[[event]]\ntype = \"schedule\"\ncron = \"@daily\"\nzone = \"../../etc/passwd\"", "this host knows none of the name")]
    [InlineData("[[sink]]\ntype = \"couchdb\"", "`url` is missing in [[sink]]")]
    [InlineData("[[sink]]\ntype = \"couchdb\"\nurl = \"ftp://x/y\"", "`url` must be an http:// or https:// URL")]
    [InlineData("[[sink]]\ntype = \"couchdb\"\nurl = \"http://u:p@x/y\"", "`url` has a user or password in it")]
    [InlineData("[[sink]]\ntype = \"webhook\"\nurl = \"http://x/y#z\"", "`url` has a fragment")]
    [InlineData("[[sink]]\ntype = \"file\"\npath = \"/etc/passwd\"", "`path` must be a relative path")]
    [InlineData("[[sink]]\ntype = \"file\"\npath = \"a/../../b\"", "`path` must be a relative path")]
    [InlineData("[[sink]]\ntype = \"file\"\npath = \".hidden\"", "`path` must be a relative path")]
    [InlineData("[[sink]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"a/#\"", "`topic` has a wildcard")]
    [InlineData("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"a/#\"\n[[sink]]\ntype = \"mqtt\"\nhost = \"h\"\nport = 1883\ntopic = \"a/b\"", "each result would call the function again")]
    public void What_is_wrong_is_said(string keys, string message) =>
        Assert.Contains(FunctionToml.Read($"{keys}\n[process]\nruntime = \"python3\"\n").Problems, p => p.Message.Contains(message, StringComparison.Ordinal));

    [Fact]
    public void A_sink_at_another_broker_is_no_circle() =>
        Assert.Empty(FunctionToml.Read("[[event]]\ntype = \"mqtt\"\nhost = \"h\"\ntopic = \"a/#\"\n[[sink]]\ntype = \"mqtt\"\nhost = \"other\"\ntopic = \"a/b\"\n[process]\nruntime = \"python3\"\n").Problems);

    [Fact]
    public void There_may_be_only_so_many()
    {
        var many = string.Concat(Enumerable.Repeat("[[event]]\ntype = \"schedule\"\ncron = \"@daily\"\n", 33));
        Assert.Contains("a function has at most 32", Assert.Single(FunctionToml.Read($"{many}[process]\nruntime = \"python3\"\n").Problems).Message, StringComparison.Ordinal);
    }
}
