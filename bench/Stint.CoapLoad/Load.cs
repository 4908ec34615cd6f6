using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Stint.Coap.Messages;

namespace Stint.CoapLoad;

/// <summary>What was measured. Latencies in microseconds.</summary>
internal sealed record LoadResult(double Seconds, long Requests, long Errors, long Retransmissions, double P50, double P99)
{
    public double PerSecond => Requests / Seconds;
}

/// <summary>Clients that each send a request, wait for its answer, and send the next.</summary>
internal static class Load
{
    /// <summary>ACK_TIMEOUT: a request without an answer is sent once more.</summary>
    private static readonly TimeSpan RetransmitAfter = TimeSpan.FromSeconds(2);

    public static async Task<LoadResult> RunAsync(Uri target, Arguments arguments, TimeProvider time)
    {
        var port = target.Port > 0 ? target.Port : 5683;
        var address = (await Dns.GetHostAddressesAsync(target.Host))[0];
        var start = time.GetTimestamp();
        var clients = new Client[arguments.Clients];
        for (var i = 0; i < clients.Length; i++) clients[i] = new Client(new IPEndPoint(address, port), target, arguments, i, time);
        // A server that is gone must not hang the measurement: half a minute after its end the clients give up.
        var duration = TimeSpan.FromSeconds(arguments.Seconds);
        using var over = new CancellationTokenSource(duration + TimeSpan.FromSeconds(30), time);
        var runs = Task.WhenAll(clients.Select(client => Task.Run(() => client.RunAsync(start, duration, over.Token))));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(500), time);
        while (!runs.IsCompleted)
        {
            await Task.WhenAny(runs, tick.WaitForNextTickAsync(CancellationToken.None).AsTask());
            foreach (var client in clients) client.ResendIfLate();
        }

        await runs;
        foreach (var client in clients) client.Dispose();
        long[] latencies = [.. clients.SelectMany(client => client.Latencies).Order()];
        double At(double share) => latencies.Length == 0 ? 0 : latencies[(int)(share * (latencies.Length - 1))] * 1e6 / time.TimestampFrequency;
        return new LoadResult(time.GetElapsedTime(start).TotalSeconds, clients.Sum(client => client.Requests), clients.Sum(client => client.Errors),
            clients.Sum(client => client.Retransmissions), At(0.5), At(0.99));
    }

    private sealed class Client(IPEndPoint server, Uri target, Arguments arguments, int index, TimeProvider time) : IDisposable
    {
        private readonly byte[] _request = Build(target, arguments, index);
        private readonly Socket _socket = new(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        private long _sentAt;

        /// <summary>A sample of the latencies, in ticks of the clock; the newest take the place of the oldest.</summary>
        private readonly long[] _latencies = new long[16_384];

        public long Requests { get; private set; }

        public long Errors { get; private set; }

        public long Retransmissions { get; private set; }

        public IEnumerable<long> Latencies => _latencies.Take((int)Math.Min(Requests, _latencies.Length));

        /// <summary>Sends the request once more when its answer is late.</summary>
        public void ResendIfLate()
        {
            var sent = Volatile.Read(ref _sentAt);
            if (sent == 0 || time.GetElapsedTime(sent) < RetransmitAfter) return;
            Retransmissions++;
            _socket.Send(_request);
        }

        public async Task RunAsync(long start, TimeSpan duration, CancellationToken cancellationToken)
        {
            await _socket.ConnectAsync(server, cancellationToken);
            var answer = new byte[2048];
            var id = (ushort)Random.Shared.Next();
            try
            {
                while (time.GetElapsedTime(start) < duration)
                {
                    BinaryPrimitives.WriteUInt16BigEndian(_request.AsSpan(2), ++id);
                    var sent = time.GetTimestamp();
                    Volatile.Write(ref _sentAt, sent);
                    _socket.Send(_request);
                    var length = await ReceiveAsync(answer, id, cancellationToken);
                    _latencies[Requests % _latencies.Length] = time.GetTimestamp() - sent;
                    Requests++;
                    if (length < 4 || answer[1] >> 5 != 2) Errors++;
                }
            }
            catch (Exception gone) when (gone is OperationCanceledException or SocketException)
            {
                Errors++;
            }
            finally
            {
                Volatile.Write(ref _sentAt, 0);
            }
        }

        public void Dispose() => _socket.Dispose();

        private async ValueTask<int> ReceiveAsync(byte[] answer, ushort id, CancellationToken cancellationToken)
        {
            while (true)
            {
                var length = await _socket.ReceiveAsync(answer.AsMemory(), SocketFlags.None, cancellationToken);
                if (length < 4) continue;

                // An empty acknowledgement only means "later". The answer has this request's id on an ACK; else it is a separate one or a NON.
                var type = (CoapMessageType)((answer[0] >> 4) & 3);
                if (answer[1] == 0) continue;
                if (type == CoapMessageType.Acknowledgement && BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(2)) != id) continue;
                if (type == CoapMessageType.Confirmable) _socket.Send([0x60, 0, answer[2], answer[3]]);
                return length;
            }
        }

        private static byte[] Build(Uri target, Arguments arguments, int index)
        {
            var path = target.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(s => CoapOption.OfText(OptionNumber.UriPath, Uri.UnescapeDataString(s)));
            var query = target.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries).Select(s => CoapOption.OfText(OptionNumber.UriQuery, Uri.UnescapeDataString(s)));
            return new CoapMessage
            {
                Type = arguments.NonConfirmable ? CoapMessageType.NonConfirmable : CoapMessageType.Confirmable,
                Code = arguments.Payload > 0 ? CoapCode.Post : CoapCode.Get,
                MessageId = 0,
                Token = new CoapToken(BitConverter.GetBytes(index)),
                Options = [.. path, .. query],
                Payload = new byte[arguments.Payload],
            }.ToArray();
        }
    }
}
