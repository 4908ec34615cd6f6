namespace Stint.Coap.Transport;

/// <summary>Where datagrams leave: a UDP socket, or memory in tests and under the fuzzer.</summary>
internal interface IDatagramSender
{
    /// <summary>Sends without waiting. A datagram that cannot be sent is lost, as on any network; it does not throw.</summary>
    void Send(in Peer peer, ReadOnlySpan<byte> datagram);
}
