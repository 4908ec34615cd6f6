using System.Net;
using Stint.Coap.Blockwise;
using Stint.Coap.Messages;
using Stint.Coap.Transport;

namespace Stint.Coap.Tests.Support;

/// <summary>The server's engine without sockets, on a clock that the test moves, and a client's hands for it.</summary>
internal sealed class EngineRig : IDatagramSender, IAsyncDisposable
{
    private readonly Queue<(Peer Peer, byte[] Bytes)> _sent = new();
    private readonly Lock _gate = new();
    private ushort _messageId = 1000;

    public EngineRig(Func<CoapServerOptions, CoapServerOptions>? configure = null)
    {
        var options = new CoapServerOptions { Time = Time, OnFault = (doing, fault) => Faults.Add($"{doing}: {fault.Message}") };
        Engine = new CoapEngine(configure?.Invoke(options) ?? options, Resources, this);
    }

    /// <summary>A client whose address is verified.</summary>
    public static Peer Local { get; } = Peer.From(new IPEndPoint(IPAddress.Loopback, 40_000));

    /// <summary>A client that could be anybody.</summary>
    public static Peer Stranger { get; } = Peer.From(new IPEndPoint(IPAddress.Parse("203.0.113.7"), 40_000));

    public FakeTime Time { get; } = new();

    public TestResources Resources { get; } = new();

    public CoapEngine Engine { get; }

    public List<string> Faults { get; } = [];

    /// <summary>The peer of the next datagrams.</summary>
    public Peer Client { get; set; } = Local;

    /// <summary>Datagrams sent and not looked at yet.</summary>
    public int Pending
    {
        get
        {
            lock (_gate) return _sent.Count;
        }
    }

    public void Send(in Peer peer, ReadOnlySpan<byte> datagram)
    {
        lock (_gate) _sent.Enqueue((peer, datagram.ToArray()));
    }

    /// <summary>A request; the message id is new each time unless given.</summary>
    public CoapMessage Request(
        CoapCode method, string path, CoapOption[]? options = null, byte[]? payload = null, CoapMessageType type = CoapMessageType.Confirmable, ushort? id = null, byte token = 7) => new()
    {
        Type = type,
        Code = method,
        MessageId = id ?? _messageId++,
        Token = new CoapToken([token]),
        Options = [.. path.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(segment => CoapOption.OfText(OptionNumber.UriPath, segment)), .. options ?? []],
        Payload = payload ?? [],
    };

    /// <summary>Hands a message to the engine.</summary>
    public void Receive(CoapMessage message, bool multicast = false) => Engine.Receive(Client, message.ToArray(), multicast);

    public void Receive(params byte[] datagram) => Engine.Receive(Client, datagram);

    /// <summary>Hands a request over and takes the one answer that came at once.</summary>
    public CoapMessage Exchange(CoapMessage request)
    {
        Receive(request);
        return Next();
    }

    /// <summary>The next message that the engine sent.</summary>
    public CoapMessage Next()
    {
        lock (_gate)
        {
            Assert.True(_sent.TryDequeue(out var sent), "the server sent nothing");
            Assert.True(CoapMessage.TryParse(sent.Bytes, out var message), $"the server sent something malformed: {Convert.ToHexString(sent.Bytes)}");
            return message;
        }
    }

    /// <summary>The bytes of the next message.</summary>
    public byte[] NextBytes()
    {
        lock (_gate)
        {
            Assert.True(_sent.TryDequeue(out var sent), "the server sent nothing");
            return sent.Bytes;
        }
    }

    /// <summary>Waits for a message that another thread sends.</summary>
    public async Task<CoapMessage> NextAsync()
    {
        await Eventually.Holds(() => Pending > 0);
        return Next();
    }

    public void AssertSilent() => Assert.Equal(0, Pending);

    public static CoapOption Block1(int number, bool more, int size) => CoapOption.OfUInt(OptionNumber.Block1, new BlockValue(number, more, BlockValue.ExponentOf(size)).Raw);

    public static CoapOption Block2(int number, int size) => CoapOption.OfUInt(OptionNumber.Block2, new BlockValue(number, false, BlockValue.ExponentOf(size)).Raw);

    public static BlockValue BlockOf(CoapMessage message, int number)
    {
        Assert.True(message.TryGetOption(number, out var option), $"no option {number}");
        return BlockValue.FromRaw(option.AsUInt());
    }

    public ValueTask DisposeAsync() => Engine.DisposeAsync();
}
