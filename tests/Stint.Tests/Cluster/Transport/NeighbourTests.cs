using System.Net.Http.Headers;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Dispatch;
using Stint.Cluster.Nodes;
using Stint.Cluster.Store;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.Functions;
using Stint.Invocations;
using Stint.Tests.Cluster.Workers;
using Stint.Tests.Functions;

namespace Stint.Tests.Cluster.Transport;

/// <summary>Machines of neighbouring versions, as they meet while a cluster is upgraded (docs/cluster.md, "Between machines"). What an older or a newer one says is played; this program's side is real.</summary>
public sealed class NeighbourTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_worker_that_knows_calls_only_is_called_and_its_answers_are_taken()
    {
        // Neither /prepare nor /ping, no protocol, no load, and only the headers that an answer cannot do without.
        var lost = false;
        await using var pair = await NodePair.StartAsync(new Dictionary<string, NodeHandler>
        {
            [CallWire.Target] = async request =>
            {
                if (lost)
                {
                    lost = false;
                    request.Context.Get<IHttpRequestLifetimeFeature>()!.Abort();
                    return;
                }
                var response = request.Context.Get<IHttpResponseFeature>()!;
                response.Headers[NodeHeaders.Outcome] = nameof(Outcome.Answered);
                response.Headers[NodeHeaders.Status] = "201";
                await request.Context.Get<IHttpResponseBodyFeature>()!.Writer.WriteAsync("old"u8.ToArray());
            },
        });
        await using var store = new ClusterStore(StoreAddress.Parse("postgres://nobody@127.0.0.1:1/nothing"));
        await using var directory = new WorkerDirectory(store, pair.Caller, TimeProvider.System, NullLogger<WorkerDirectory>.Instance);
        await directory.ReportAsync("callee", "", new WorkerReport("1", $"127.0.0.1:{pair.Address.Port}", [], "{\"version\":\"0.1\"}", IsLeaving: false), default);
        var worker = directory.Workers.Single();
        Assert.Equal("201 old", await CallAsync());
        // A deployment is not held up by it; the code comes with the call.
        await new CodePush(directory, TimeProvider.System, NullLogger<CodePush>.Instance).PrepareAsync(WorkerBench.Function, new CodeVersion(new string('a', 64), 1, 0), default);
        // When the way to it was broken, it is found to be there again, although it does not know the question.
        lost = true;
        Assert.Null(await CallAsync());
        directory.Lost(worker, "it was cut");
        Assert.False(worker.IsReachable);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!worker.IsReachable) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, limit.Token);
        Assert.Equal("201 old", await CallAsync());

        async Task<string?> CallAsync()
        {
            var call = new Invocation { Function = WorkerBench.Function, CallId = "1", Method = "POST" };
            var attempt = await worker.CallAsync(call, new FunctionSpec { Process = new ProcessSpec { Runtime = Runtime.Python3 } }, new CodeVersion(new string('a', 64), 1, 0), null, default);
            if (attempt.Reply is not { } reply) return null;
            using (reply)
            {
                // Without a length it is a stream.
                var body = reply.Rest is null ? reply.Body : await reply.Rest.ReadAsync(default);
                return $"{reply.Status} {Encoding.UTF8.GetString(body.Span)}";
            }
        }
    }

    [Fact]
    public async Task A_newer_gateways_call_runs_on_this_worker()
    {
        await using var worker = await WorkerBench.StartAsync(_folder, request => WorkerBench.GiveAsync(request, _folder["echo"]));
        using var link = worker.Link();
        var answer = await NodePair.SendAsync(link, CallWire.Target, (NodeHeaders.Protocol, "2"), ("stint-tomorrow", "more"), (NodeHeaders.Function, WorkerBench.Function.ToString()), (NodeHeaders.Hash, worker.Code.Hash), (NodeHeaders.Change, "1"),
            (NodeHeaders.Method, "PUT"), (NodeHeaders.Path, "/a"), (NodeHeaders.CallId, "mine"), (NodeHeaders.Flags, $"of-tomorrow, {NodeHeaders.OwnCallId}"), ("f-X-One", "1"));
        Assert.Equal((200, "there"), (answer.Status, answer.Body));
        Assert.Equal(nameof(Outcome.Answered), answer.Response.Headers.GetValues(NodeHeaders.Outcome).Single());
        Assert.Equal(("PUT", "/a", "mine", true, false), (worker.Ran!.Method, worker.Ran.Path, worker.Ran.CallId, worker.Ran.HasOwnCallId, worker.Ran.IsFromTrustedProxy));
        Assert.Equal("X-One", Assert.Single(worker.Ran.Headers).Key);
        Assert.Equal(200, (await SendAsync(link, WorkerPaths.Ping, "{\"tomorrow\":[1]}")).Status);
        var prepared = await SendAsync(link, WorkerPaths.Prepare, $"{{\"version\":{{\"function\":\"echo\",\"hash\":\"{worker.Code.Hash}\",\"change\":1,\"secrets\":0,\"tomorrow\":{{}}}},\"isGone\":false,\"tomorrow\":1}}");
        Assert.Equal((200, "{\"problem\":null}"), prepared);
        // What this version does not know is said, and nothing else is disturbed by it.
        Assert.Equal(404, (await SendAsync(link, "/tomorrow", "{}")).Status);
        Assert.Equal(200, (await SendAsync(link, WorkerPaths.Ping, "{}")).Status);
    }

    [Fact]
    public async Task What_a_newer_worker_says_of_its_load_is_read_as_far_as_it_is_known()
    {
        await using var pair = await NodePair.StartAsync(new Dictionary<string, NodeHandler>
        {
            [CallWire.Target] = async request =>
            {
                using var reply = Reply.Answer(200, HeaderList.None, "new"u8.ToArray());
                request.Context.Get<IHttpResponseFeature>()!.Headers["stint-tomorrow"] = "more";
                await ReplyWire.WriteAsync(request.Context, reply, "7 3 1000 of-tomorrow");
            },
        });
        using var worker = new KnownWorker("callee", "1", $"127.0.0.1:{pair.Address.Port}", new NodeReport { Version = "", Processors = 2 }, pair.Caller);
        var call = new Invocation { Function = WorkerBench.Function, CallId = "1", Method = "POST" };
        var attempt = await worker.CallAsync(call, new FunctionSpec { Process = new ProcessSpec { Runtime = Runtime.Python3 } }, new CodeVersion(new string('a', 64), 1, 0), null, default);
        attempt.Reply!.Dispose();
        Assert.Equal(7, worker.Describe().Running);
        Assert.True(worker.IsWarm(WorkerBench.Function));
    }

    [Fact]
    public void Messages_of_neighbours_are_read()
    {
        // Newer: members that are not known here. Older: those that came later are missing.
        var report = Read(NodeMessages.Default.WorkerReport, """{"instance":"1","addresses":"a:1","labels":{},"report":"{}","isLeaving":false,"tomorrow":{"a":[1]}}""");
        Assert.Equal(("1", 0L), (report.Instance, report.Started));
        Assert.True(Read(NodeMessages.Default.ReportAnswer, """{"gateway":"g","isDraining":true,"isTaken":false,"revoked":["a"],"tomorrow":1}""").IsDraining);
        Assert.Equal([1, 2], Read(NodeMessages.Default.JoinAnswer, """{"certificate":"AQI=","authority":"","tomorrow":true}""").Certificate);
        Assert.Equal(4, NodeReport.FromJson("""{"version":"2","running":4,"tomorrow":{"a":1}}""")!.Running);
        Assert.Equal(0, NodeReport.FromJson("""{"version":"0"}""")!.AvailableMiB);
    }

    private static T Read<T>(System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, string text) => System.Text.Json.JsonSerializer.Deserialize(text, type)!;

    private static async Task<(int Status, string Body)> SendAsync(NodeLink link, string path, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(link.Base, path)) { Version = new Version(2, 0), VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StringContent(body) };
        request.Headers.TryAddWithoutValidation(NodeHeaders.Protocol, "2");
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await link.SendAsync(request, default);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
