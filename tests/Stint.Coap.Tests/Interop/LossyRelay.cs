using System.Net;
using System.Net.Sockets;

namespace Stint.Coap.Tests.Interop;

/// <summary>
/// A bad network: stands between clients and the server and drops, doubles and delays (so that they change places) a fifth of the datagrams each. Two datagrams
/// that follow each other in one direction of one client are never both dropped: a client gives up after four retransmissions, and whether a test passes must not
/// be a matter of luck.
/// </summary>
internal sealed class LossyRelay : IAsyncDisposable
{
    /// <summary>As none follows another, 1 in 4 of those that may be dropped makes 1 in 5 of all.</summary>
    private const double DropChance = 0.25;

    private const double DoubleChance = 0.2;
    private const double DelayChance = 0.2;
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMilliseconds(100);

    private readonly Socket _front = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly CancellationTokenSource _stopping = new();
    private readonly IPEndPoint _server;
    private readonly Lock _gate = new();
    private readonly Random _random;
    private readonly Dictionary<EndPoint, Socket> _backs = [];
    private readonly Dictionary<(EndPoint, bool), bool> _droppedLast = [];
    private readonly List<Task> _tasks = [];

    public LossyRelay(int serverPort, int seed)
    {
        _server = new IPEndPoint(IPAddress.Loopback, serverPort);
        _random = new Random(seed);
        _front.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _tasks.Add(PumpFrontAsync());
    }

    public int Port => ((IPEndPoint)_front.LocalEndPoint!).Port;

    public int Dropped { get; private set; }

    public int Doubled { get; private set; }

    public int Delayed { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Task[] tasks;
        lock (_gate) tasks = [.. _tasks];
        await Task.WhenAll(tasks);
        _front.Dispose();
        foreach (var back in _backs.Values) back.Dispose();
        _stopping.Dispose();
    }

    private async Task PumpFrontAsync()
    {
        var buffer = new byte[65_535];
        try
        {
            while (true)
            {
                var received = await _front.ReceiveFromAsync(buffer.AsMemory(), SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stopping.Token);
                var client = received.RemoteEndPoint;
                if (!_backs.TryGetValue(client, out var back))
                {
                    back = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                    await back.ConnectAsync(_server, _stopping.Token);
                    _backs.Add(client, back);
                    Own(PumpBackAsync(client, back));
                }

                Forward(buffer[..received.ReceivedBytes], client, up: true, bytes => back.Send(bytes));
            }
        }
        catch (OperationCanceledException)
        {
            // The relay is closed.
        }
    }

    private async Task PumpBackAsync(EndPoint client, Socket back)
    {
        var buffer = new byte[65_535];
        try
        {
            while (true)
            {
                var length = await back.ReceiveAsync(buffer.AsMemory(), SocketFlags.None, _stopping.Token);
                Forward(buffer[..length], client, up: false, bytes => _front.SendTo(bytes, client));
            }
        }
        catch (OperationCanceledException)
        {
            // The relay is closed.
        }
    }

    private void Forward(byte[] datagram, EndPoint client, bool up, Func<byte[], int> send)
    {
        int copies;
        TimeSpan delay;
        lock (_gate)
        {
            var drop = !_droppedLast.GetValueOrDefault((client, up)) && _random.NextDouble() < DropChance;
            _droppedLast[(client, up)] = drop;
            copies = drop ? 0 : _random.NextDouble() < DoubleChance ? 2 : 1;
            delay = _random.NextDouble() < DelayChance ? LongestDelay * _random.NextDouble() : TimeSpan.Zero;
            Dropped += drop ? 1 : 0;
            Doubled += copies == 2 ? 1 : 0;
            Delayed += copies > 0 && delay > TimeSpan.Zero ? 1 : 0;
        }

        for (; copies > 0; copies--)
        {
            if (delay == TimeSpan.Zero) send(datagram);
            else Own(SendLaterAsync(datagram, delay, send));
        }
    }

    private async Task SendLaterAsync(byte[] datagram, TimeSpan delay, Func<byte[], int> send)
    {
        try
        {
            await Task.Delay(delay, TimeProvider.System, _stopping.Token);
            send(datagram);
        }
        catch (OperationCanceledException)
        {
            // The relay is closed.
        }
    }

    private void Own(Task task)
    {
        lock (_gate) _tasks.Add(task);
    }
}
