using Stint.Coap.Messages;
using Stint.Coap.Tests.Support;
using Stint.Coap.Transport;

namespace Stint.Coap.Tests.Exchanges;

public sealed class AllocationTests
{
    /// <summary>
    /// What a request may cost: the request object and its copy of the datagram. Bytes are exact where times are not, so this one may have a threshold.
    /// </summary>
    private const int BytesPerRequest = 256;

    [Fact]
    public async Task A_quick_request_allocates_its_request_object_and_nothing_else()
    {
        var response = CoapResponse.Text("ok");
        var resources = new TestResources { Handler = (_, _) => new(response) };
        await using var engine = new CoapEngine(new CoapServerOptions { MaxExchanges = 1024 }, resources, new Nowhere());
        var datagram = new CoapMessage { Type = CoapMessageType.Confirmable, Code = CoapCode.Get, MessageId = 0, Options = [CoapOption.OfText(OptionNumber.UriPath, "f")] }.ToArray();

        // Until the table is full, exchanges are made and not reused.
        Run(engine, datagram, 20_000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(engine, datagram, 10_000);
        var perRequest = (GC.GetAllocatedBytesForCurrentThread() - before) / 10_000;
        Assert.InRange(perRequest, 1, BytesPerRequest);
    }

    private static void Run(CoapEngine engine, byte[] datagram, int count)
    {
        for (var i = 0; i < count; i++)
        {
            datagram[2] = (byte)(i >> 8);
            datagram[3] = (byte)i;
            engine.Receive(EngineRig.Local with { Port = (ushort)(1 + (i >> 16)) }, datagram);
        }
    }

    private sealed class Nowhere : IDatagramSender
    {
        public void Send(in Peer peer, ReadOnlySpan<byte> datagram)
        {
        }
    }
}
