using System.Buffers;
using System.Net;
using System.Text;
using Stint.Backends.Upstream;
using Stint.Invocations;

namespace Stint.Tests.Backends.Upstream;

/// <summary>An upstream to a raw server, and the instance's end in the test's hand. At the end no connection may be left on either side.</summary>
internal sealed class UpstreamRig : IAsyncDisposable
{
    public UpstreamRig(Func<RawPeer, Task> serve, int calls = 4, TimeProvider? time = null)
    {
        Server = new RawServer(serve);
        Upstream = new HttpUpstream(Server.EndPoint, calls, Ended.Task, time ?? TimeProvider.System);
    }

    public RawServer Server { get; }

    public HttpUpstream Upstream { get; }

    /// <summary>The instance's end.</summary>
    public TaskCompletionSource<string> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static Invocation Call(string method = "GET", string path = "/", string query = "", string? body = null, HeaderList? headers = null, string id = "call") => new()
    {
        Function = default,
        CallId = id,
        Method = method,
        Path = path,
        Query = query,
        Headers = headers ?? [],
        Body = body is null ? default : new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)),
        From = IPAddress.Parse("192.0.2.1"),
    };

    /// <summary>Serves one answer after another on each connection.</summary>
    public static Func<RawPeer, Task> Answering(string answer) => async peer =>
    {
        while (true)
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(answer);
        }
    };

    /// <summary>Runs a call and reads its answer to the end.</summary>
    public async Task<(Reply Reply, string Body)> InvokeAsync(Invocation? call = null, CancellationToken cancellationToken = default)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(RawPeer.Limit);
        var reply = await Upstream.InvokeAsync(call ?? Call(), limit.Token);
        var body = await ReadAsync(reply);
        reply.Dispose();
        return (reply, body);
    }

    /// <summary>All of an answer's body.</summary>
    public static async Task<string> ReadAsync(Reply reply)
    {
        var text = new StringBuilder(Encoding.UTF8.GetString(reply.Body.Span));
        while (reply.Rest is { } rest && await rest.ReadAsync(default) is { IsEmpty: false } piece) text.Append(Encoding.UTF8.GetString(piece.Span));
        return text.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        Upstream.Dispose();
        Assert.Equal(0, Upstream.OpenConnections);
        await Server.DisposeAsync();
    }
}
