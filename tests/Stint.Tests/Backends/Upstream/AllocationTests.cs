using System.Net;
using System.Net.Sockets;
using Stint.Backends.Upstream;
using Stint.Invocations;

namespace Stint.Tests.Backends.Upstream;

/// <summary>What a warm call costs the heap, see <see cref="Pools.AllocationTests"/>. Other threads of the test process allocate meanwhile: a round in which they do not is waited for.</summary>
public sealed class AllocationTests
{
    private const int Calls = 20;

    /// <summary>Bytes: the reply itself, and what completes a wait on another thread than it began on.</summary>
#if DEBUG
    private const double Limit = 2048;
#else
    private const double Limit = 400;
#endif

    [Fact]
    public async Task A_warm_call_allocates_little_more_than_its_reply()
    {
        // As in the daemon: no context that continuations would be posted to.
        SynchronizationContext.SetSynchronizationContext(null);
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var server = new Thread(() => Serve(listener)) { IsBackground = true };
        server.Start();
        using var upstream = new HttpUpstream((IPEndPoint)listener.LocalEndPoint!, 1, new TaskCompletionSource<string>().Task, TimeProvider.System);
        var call = UpstreamRig.Call("POST", body: "hello", headers: new HeaderList { { "Host", "example.com" }, { "Content-Type", "text/plain" } });
        using var deadline = new CancellationTokenSource(RawPeer.Limit);
        var least = double.MaxValue;
        while (least >= Limit && !deadline.IsCancellationRequested)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < Calls; i++)
            {
                using var reply = await upstream.InvokeAsync(call, deadline.Token);
                if (reply.Body.Length != 5 && !deadline.IsCancellationRequested) Assert.Fail(reply.Error);
            }
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)Calls);
        }
        Assert.True(least < Limit, $"{least} bytes for each warm call");
    }

    // A thread of its own, which allocates nothing once it runs.
    private static void Serve(Socket listener)
    {
        using var socket = listener.Accept();
        socket.NoDelay = true;
        var answer = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"u8.ToArray();
        var request = new byte[4096];
        try
        {
            while (socket.Receive(request) > 0) socket.Send(answer);
        }
        catch (SocketException)
        {
            // the test is over
        }
    }
}
