using System.Text;
using System.Text.Json;
using Stint.Deliveries;
using Stint.Functions;
using Stint.Functions.Specification;
using Stint.Invocations;
using Stint.Sinks;

namespace Stint.Tests.Sinks;

public sealed class SinkTests : IDisposable
{
    private static readonly FunctionName Name = FunctionName.TryParse("fn", out var name) ? name : default;
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-sinks-").FullName;

    [Theory]
    [InlineData("""{"t":21,"a":[1,null]}""", """{"_id":"call-1","t":21,"a":[1,null]}""")]
    [InlineData("""{"_id":"own","t":21}""", """{"_id":"own","t":21}""")]
    [InlineData("""{"t":1,"_id":5}""", """{"_id":"call-1","t":1}""")]
    [InlineData("[1,2]", """{"_id":"call-1","result":[1,2]}""")]
    [InlineData("21.50", """{"_id":"call-1","result":21.50}""")]
    [InlineData("\"text\"", """{"_id":"call-1","result":"text"}""")]
    [InlineData("null", """{"_id":"call-1","result":null}""")]
    [InlineData("plain text", """{"_id":"call-1","result":"plain text"}""")]
    [InlineData("", """{"_id":"call-1","result":""}""")]
    public void A_result_is_a_document_with_the_call_s_id(string result, string document) =>
        Assert.Equal(document, Encoding.UTF8.GetString(CouchDbSink.DocumentOf(Delivery(result)).Document));

    [Fact]
    public void Bytes_that_are_no_text_are_a_document_too() =>
        Assert.Equal("""{"_id":"call-1","result_base64":"/wA="}""", Encoding.UTF8.GetString(CouchDbSink.DocumentOf(Delivery("") with { Body = new byte[] { 0xff, 0 } }).Document));

    [Fact]
    public void An_id_that_CouchDB_keeps_for_itself_is_changed() => Assert.Equal("call:_design/x", CouchDbSink.DocumentOf(Delivery("1") with { CallId = "_design/x" }).Id);

    [Fact]
    public async Task Each_result_is_a_line_of_the_file()
    {
        var (sink, target) = FileSink(new SinkSpec.JsonLines { Path = "a/results.jsonl" });
        Assert.Equal(DeliveryEnding.Delivered, (await sink.DeliverAsync(Delivery("""{"t":1}""") with { Target = target }, default)).Ending);
        Assert.Equal(DeliveryEnding.Delivered, (await sink.DeliverAsync(Delivery("two\nlines") with { Target = target }, default)).Ending);
        var lines = await File.ReadAllLinesAsync(Path.Combine(_folder, "_", "a", "results.jsonl"));
        Assert.Equal(2, lines.Length);
        var first = JsonDocument.Parse(lines[0]).RootElement;
        Assert.Equal(("fn", "call-1", 200, """{"t":1}"""), (first.GetProperty("function").GetString(), first.GetProperty("call").GetString(), first.GetProperty("status").GetInt32(), first.GetProperty("result").GetRawText()));
        Assert.Equal("two\nlines", JsonDocument.Parse(lines[1]).RootElement.GetProperty("result").GetString());
    }

    [Fact]
    public async Task A_second_try_finds_the_line_of_the_first_and_a_torn_line_spoils_no_other()
    {
        var (sink, target) = FileSink(new SinkSpec.JsonLines { Path = "results.jsonl", Sync = false });
        var delivery = Delivery("1") with { Target = target };
        await sink.DeliverAsync(delivery, default);
        await sink.DeliverAsync(delivery with { Attempts = 2 }, default);
        var path = Path.Combine(_folder, "_", "results.jsonl");
        Assert.Single(await File.ReadAllLinesAsync(path));
        await File.AppendAllTextAsync(path, "{\"torn");
        await sink.DeliverAsync(Delivery("2") with { Target = target, Id = "other", Attempts = 2 }, default);
        var lines = await File.ReadAllLinesAsync(path);
        Assert.Equal((3, "{\"torn"), (lines.Length, lines[1]));
        Assert.Equal("2", JsonDocument.Parse(lines[2]).RootElement.GetProperty("result").GetRawText());
    }

    [Fact]
    public async Task A_link_is_not_followed()
    {
        var (sink, target) = FileSink(new SinkSpec.JsonLines { Path = "results.jsonl" });
        Directory.CreateDirectory(Path.Combine(_folder, "_"));
        var elsewhere = Path.Combine(_folder, "elsewhere");
        File.CreateSymbolicLink(Path.Combine(_folder, "_", "results.jsonl"), elsewhere);
        var result = await sink.DeliverAsync(Delivery("1") with { Target = target }, default);
        Assert.Equal(DeliveryEnding.TryAgain, result.Ending);
        Assert.Contains("symbolic link", result.Why, StringComparison.Ordinal);
        Assert.False(File.Exists(elsewhere));
    }

    [Fact]
    public async Task What_has_been_taken_out_of_function_toml_gets_nothing_any_more()
    {
        var spec = new FunctionSpec { Sinks = [new SinkSpec.JsonLines { Path = "new.jsonl" }] };
        var isDeployed = true;
        var sink = new FileSink(_ => (isDeployed, spec), _folder);
        var delivery = Delivery("1") with { Target = TriggerJson.Text(new SinkSpec.JsonLines { Path = "old.jsonl" }) };
        Assert.Equal(DeliveryEnding.GiveUp, (await sink.DeliverAsync(delivery, default)).Ending);
        spec = null;
        Assert.Equal(DeliveryEnding.TryAgain, (await sink.DeliverAsync(delivery, default)).Ending);
        isDeployed = false;
        Assert.Equal(DeliveryEnding.GiveUp, (await sink.DeliverAsync(delivery, default)).Ending);
    }

    [Fact]
    public void A_password_is_no_part_of_a_target_and_changing_it_leaves_the_target_alone()
    {
        var sink = new SinkSpec.CouchDb { Url = new Uri("http://h/db"), Username = "u", Password = new Password("hidden", null) };
        Assert.DoesNotContain("hidden", TriggerJson.Text(sink), StringComparison.Ordinal);
        Assert.Equal(TriggerJson.Text(sink), TriggerJson.Text(sink with { Password = new Password("changed", null) }));
        var follower = new SinkFollower(new FunctionSpec { Sinks = [sink, sink, new SinkSpec.JsonLines { Path = "a" }] });
        var deliveries = follower.Of(new Invocation { Function = Name, CallId = "7" }, new CallResult(201, "text/x", "r"u8.ToArray(), TimeSpan.FromSeconds(1))).ToList();
        Assert.Equal(["couchdb", "file"], deliveries.Select(static delivery => delivery.Kind));
        Assert.All(deliveries, static delivery => Assert.Equal(("7", 201, "text/x"), (delivery.CallId, delivery.Status, delivery.ContentType)));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private (FileSink Sink, string Target) FileSink(SinkSpec.JsonLines spec) => (new FileSink(_ => (true, new FunctionSpec { Sinks = [spec] }), _folder), TriggerJson.Text(spec));

    private static Delivery Delivery(string result) => new() { Kind = "file", Function = Name, CallId = "call-1", Target = "", Body = Encoding.UTF8.GetBytes(result), Attempts = 1 };
}
