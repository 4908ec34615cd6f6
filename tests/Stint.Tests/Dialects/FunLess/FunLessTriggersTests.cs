using Stint.Dialects.FunLess;
using Stint.Functions;

namespace Stint.Tests.Dialects.FunLess;

public sealed class FunLessTriggersTests
{
    [Theory]
    [InlineData("\"1883\"")]
    [InlineData("1883")]
    public void FunLess_s_event_is_understood_with_its_qos_0(string port)
    {
        var entry = Assert.Single(FunLessTriggers.ReadEvents($"[{{\"type\":\"mqtt\",\"params\":{{\"host\":\"localhost\",\"port\":{port},\"topic\":\"a/b\"}}}}]", out var problem)!);
        Assert.Null(problem);
        Assert.Equal(new EventSpec.Mqtt { Broker = new MqttBroker { Host = "localhost", Port = 1883 }, Topic = "a/b", Qos = 0 }, entry.Spec);
    }

    [Fact]
    public void FunLess_s_sink_is_understood()
    {
        var entry = Assert.Single(FunLessTriggers.ReadSinks("""[{"type":"couchdb","params":{"url":"http://localhost:5984/db","username":"admin","password":"pw"}}]""", out _)!);
        Assert.Equal(new SinkSpec.CouchDb { Url = new Uri("http://localhost:5984/db"), Username = "admin", Password = new Password("pw", null) }, entry.Spec);
    }

    [Fact]
    public void Each_entry_has_its_own_result()
    {
        var entries = FunLessTriggers.ReadEvents("""[{"type":"mqtt","params":{"host":"h","topic":"t"}},{"type":"kafka","params":{}},{"type":"mqtt","params":{"host":"h","port":"x"}},5,{"type":"mqtt"}]""", out _)!;
        Assert.NotNull(entries[0].Spec);
        Assert.Equal(":not_implemented", entries[1].Error);
        Assert.Equal("`port` must be an integer from 1 to 65535, not \"x\"; `topic` is missing in [[event]]; it must be a topic filter, such as \"sensors/+/temperature\"", entries[2].Error);
        Assert.All(entries.Skip(1), static entry => Assert.True(entry.Spec is null && entry.Error is not null));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[[[[[[[[[[[[[]]]]]]]]]]]]]")]
    public void What_is_no_array_is_nothing(string json)
    {
        Assert.Null(FunLessTriggers.ReadEvents(json, out var problem));
        Assert.NotNull(problem);
    }

    [Fact]
    public void What_is_written_reads_back_without_passwords()
    {
        const string json = """[{"type":"mqtt","params":{"host":"h","port":1884,"username":"u","password":"hidden","topic":"ä/+","qos":0}},{"type":"schedule","params":{"cron":"@daily"}}]""";
        var written = FunLessTriggers.Write([.. FunLessTriggers.ReadEvents(json, out _)!.Select(static entry => entry.Spec!)]);
        Assert.Equal("""[{"type":"mqtt","params":{"host":"h","port":1884,"username":"u","topic":"ä/+","qos":0}},{"type":"schedule","params":{"cron":"@daily"}}]""", written);
        Assert.Equal("""[{"type":"file","params":{"path":"a.jsonl"}}]""", FunLessTriggers.Write([new SinkSpec.JsonLines { Path = "a.jsonl" }]));
    }
}
