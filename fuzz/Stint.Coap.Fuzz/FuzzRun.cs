using System.Net;
using Stint.Coap.Discovery;
using Stint.Coap.Messages;
using Stint.Coap.Observing;
using Stint.Coap.Transport;

namespace Stint.Coap.Fuzz;

/// <summary>What the server held at the end of a run; each number has a bound in <see cref="CoapServerOptions"/>.</summary>
internal sealed record FuzzReport(long Datagrams, long Answers, int Exchanges, long KeptBytes, int Outgoing, int Uploads, int Downloads, int Observers, long HeapBytes);

/// <summary>
/// Feeds mutated datagrams from many spoofed sources to the server's engine, with no socket between, on a clock that runs a millisecond per datagram so that
/// time-outs and retransmissions happen too. An exception ends the run.
/// </summary>
internal static class FuzzRun
{
    /// <summary>The limits of the run: small ones, so that they are reached.</summary>
    public static readonly CoapServerOptions Options = new()
    {
        MaxExchanges = 4096,
        MaxExchangeBytes = 1 << 20,
        MaxTransfers = 64,
        MaxTransferBytes = 1 << 20,
        MaxBody = 64 * 1024,
        MaxObservers = 128,
        MaxObserversPerSource = 4,
        MaxOutgoing = 512,
        MaxConcurrent = 64,
        MaxRatePerSource = 500,
        MaxBurstPerSource = 1000,
    };

    /// <summary>Runs; <paramref name="progress"/> is called every million datagrams.</summary>
    public static async Task<FuzzReport> RunAsync(long datagrams, int seed, Action<long>? progress = null)
    {
        var clock = new SteppedTime();
        var sender = new CountingSender();
        var engine = new CoapEngine(Options with { Time = clock, OnFault = static (_, fault) => Rethrow(fault) }, new Resources(), sender);
        await using (engine)
        {
            var mutations = new Mutations(seed);
            var random = new Random(seed);
            var buffer = new byte[2048];
            for (long i = 1; i <= datagrams; i++)
            {
                var length = mutations.Next(buffer);
                var peer = Peer.From(new IPEndPoint(new IPAddress((uint)(0x0a | (random.Next(1 << 16) << 8))), random.Next(1, 65_536)));
                engine.Receive(peer, buffer.AsSpan(0, length), multicast: random.Next(16) == 0);
                clock.Step();
                if (i % 1_000_000 == 0) progress?.Invoke(i);
            }

            var (exchanges, kept) = engine.Exchanges.Size;
            return new FuzzReport(datagrams, sender.Sent, exchanges, kept, engine.Outgoing.Count, engine.Uploads.Size.Count, engine.Downloads.Size.Count,
                engine.Observers.Count, GC.GetTotalMemory(forceFullCollection: true));
        }
    }

    // "throws" throws this on purpose.
    private static void Rethrow(Exception fault)
    {
        if (fault is not ExpectedException) throw new InvalidOperationException("The server reported a fault that no handler caused.", fault);
    }

    private sealed class ExpectedException : Exception;

    private sealed class CountingSender : IDatagramSender
    {
        private long _sent;

        public long Sent => Volatile.Read(ref _sent);

        public void Send(in Peer peer, ReadOnlySpan<byte> datagram)
        {
            // What the server says must itself be well-formed.
            if (MessageHeader.TryRead(datagram, out var header) != HeaderVerdict.Read) throw new InvalidOperationException("The server sent a malformed header.");
            var reader = new OptionReader(datagram, header.OptionsOffset);
            while (reader.Next())
            {
            }

            if (reader.IsMalformed) throw new InvalidOperationException("The server sent malformed options.");
            Interlocked.Increment(ref _sent);
        }
    }

    private sealed class Resources : ICoapResources
    {
        private readonly byte[] _large = new byte[5000];

        public IEnumerable<CoapLink> Links => [new CoapLink { Path = "/echo", ResourceTypes = ["a1", "b"] }, new CoapLink { Path = "/observed", IsObservable = true }];

        public ValueTask<CoapResponse> HandleAsync(CoapRequest request, CancellationToken cancellationToken) => request.Path switch
        {
            "/large" => new(CoapResponse.Content(_large)),
            "/slow" => new(SlowAsync(request)),
            "/throws" => throw new ExpectedException(),
            "/none" => new(CoapResponse.Error(CoapCode.NotFound, request.Path + string.Join('&', request.Query))),
            _ => new(CoapResponse.Content(request.Payload, request.ContentFormat)),
        };

        public Observation? Observe(CoapRequest request) => request.Path == "/observed" ? new Observation { Interval = TimeSpan.FromSeconds(1) } : null;

        private static async Task<CoapResponse> SlowAsync(CoapRequest request)
        {
            await Task.Yield();
            return CoapResponse.Content(request.Payload);
        }
    }

    /// <summary>A clock that only moves when stepped, and whose timers fire then, on the stepping thread.</summary>
    private sealed class SteppedTime : TimeProvider
    {
        private readonly List<SteppedTimer> _timers = [];
        private long _now;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => Volatile.Read(ref _now);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new SteppedTimer(this, () => callback(state));
            timer.Change(dueTime, period);
            _timers.Add(timer);
            return timer;
        }

        public void Step()
        {
            Interlocked.Increment(ref _now);
            foreach (var timer in _timers) timer.FireIfDue();
        }

        private sealed class SteppedTimer(SteppedTime time, Action fire) : ITimer
        {
            private long _due = long.MaxValue;

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                Volatile.Write(ref _due, dueTime == Timeout.InfiniteTimeSpan ? long.MaxValue : time.GetTimestamp() + (long)dueTime.TotalMilliseconds);
                return true;
            }

            public void FireIfDue()
            {
                if (Volatile.Read(ref _due) > time.GetTimestamp()) return;
                Volatile.Write(ref _due, long.MaxValue);
                fire();
            }

            public void Dispose() => Volatile.Write(ref _due, long.MaxValue);

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
