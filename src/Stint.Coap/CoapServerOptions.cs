using System.Net;

namespace Stint.Coap;

/// <summary>What happens to an answer that is too large for a source that has not proved its address (RFC 9175 §2.4).</summary>
public enum AmplificationAnswer
{
    /// <summary>
    /// It goes out as a first block that is small enough, with an Echo option for clients that can use it; the rest must be asked for. Works with every
    /// client that knows block-wise transfer.
    /// </summary>
    SmallBlocks,

    /// <summary>4.01 with an Echo option; the answer itself is thrown away, and the client has to ask again.</summary>
    EchoChallenge,
}

/// <summary>The settings of a <see cref="CoapServer"/>. Times of RFC 7252 §4.8 have the RFC's defaults.</summary>
public sealed record CoapServerOptions
{
    /// <summary>The addresses to listen on. <see cref="IPAddress.IPv6Any"/> takes IPv4 too. Default: all.</summary>
    public IReadOnlyList<IPAddress> Addresses { get; init; } = [IPAddress.IPv6Any];

    /// <summary>UDP port, 0 to 65,535; 0 takes a free one. Default 5683.</summary>
    public int Port { get; init; } = 5683;

    /// <summary>Threads that receive, per address, 1 to 64. Default: one per CPU, at most 4.</summary>
    public int ReceiveLoops { get; init; } = Math.Clamp(Environment.ProcessorCount, 1, 4);

    /// <summary>Whether to join the "All CoAP Nodes" groups 224.0.1.187, ff02::fd and ff05::fd and answer discovery there. Default off.</summary>
    public bool Multicast { get; init; }

    /// <summary>The longest random wait before an answer to a multicast request (RFC 7252 §8.2). Default 5 s.</summary>
    public TimeSpan Leisure { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Bytes of a block that we ask for and send: 16, 32, … 1,024. Default 1,024.</summary>
    public int BlockSize { get; init; } = 1024;

    /// <summary>The largest body of a request, bytes; 4.13 beyond. Default 1 MiB.</summary>
    public int MaxBody { get; init; } = 1 << 20;

    /// <summary>The largest datagram that is taken, bytes; a larger request gets 4.13 and the hint to send blocks. Default 4,096.</summary>
    public int MaxDatagram { get; init; } = 4096;

    /// <summary>The longest token that is taken, bytes, at least 8 (RFC 8974); a longer one gets 4.00. Default 64.</summary>
    public int MaxToken { get; init; } = 64;

    /// <summary>Requests that may run at the same time; 5.03 beyond. Default 1,024.</summary>
    public int MaxConcurrent { get; init; } = 1024;

    /// <summary>The Max-Age of a 5.03 of ours: when to try again, seconds. Default 2.</summary>
    public int RetryAfterSeconds { get; init; } = 2;

    /// <summary>How long a handler may take before the client gets an empty acknowledgement; below AckTimeout. Default 500 ms.</summary>
    public TimeSpan AcknowledgeAfter { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>EXCHANGE_LIFETIME: how long a confirmable request is remembered. Default 247 s.</summary>
    public TimeSpan ExchangeLifetime { get; init; } = TimeSpan.FromSeconds(247);

    /// <summary>NON_LIFETIME: how long a non-confirmable request is remembered. Default 145 s.</summary>
    public TimeSpan NonLifetime { get; init; } = TimeSpan.FromSeconds(145);

    /// <summary>
    /// Requests that are remembered; when there are more within their lifetime, the oldest are forgotten early, and a retransmission of one of those would
    /// run again. An entry takes about 200 bytes. Default 65,536.
    /// </summary>
    public int MaxExchanges { get; init; } = 65_536;

    /// <summary>Bytes kept for the answers to retransmissions. Default 32 MiB.</summary>
    public long MaxExchangeBytes { get; init; } = 32 << 20;

    /// <summary>ACK_TIMEOUT. Default 2 s.</summary>
    public TimeSpan AckTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>ACK_RANDOM_FACTOR, at least 1. Default 1.5.</summary>
    public double AckRandomFactor { get; init; } = 1.5;

    /// <summary>MAX_RETRANSMIT. Default 4.</summary>
    public int MaxRetransmit { get; init; } = 4;

    /// <summary>NSTART: confirmable messages of ours under way to one peer. Default 1.</summary>
    public int NStart { get; init; } = 1;

    /// <summary>Confirmable messages of ours that wait for their turn, per peer. Default 64.</summary>
    public int MaxOutgoingPerPeer { get; init; } = 64;

    /// <summary>Confirmable messages of ours under way or waiting, all peers together. Default 8,192.</summary>
    public int MaxOutgoing { get; init; } = 8192;

    /// <summary>Block-wise transfers at the same time, each way. Default 1,024.</summary>
    public int MaxTransfers { get; init; } = 1024;

    /// <summary>Bytes that block-wise transfers hold, each way. Default 64 MiB.</summary>
    public long MaxTransferBytes { get; init; } = 64 << 20;

    /// <summary>When a block-wise transfer without a new block is forgotten. Default 93 s (MAX_TRANSMIT_WAIT).</summary>
    public TimeSpan TransferLifetime { get; init; } = TimeSpan.FromSeconds(93);

    /// <summary>Observers, all together. Default 4,096.</summary>
    public int MaxObservers { get; init; } = 4096;

    /// <summary>Observers from one address. Default 64.</summary>
    public int MaxObserversPerSource { get; init; } = 64;

    /// <summary>How often a notification is confirmable at least, so that observers who left are found out (RFC 7641 §4.5). Default 30 s.</summary>
    public TimeSpan ConfirmNotificationsEvery { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Datagrams per second from one source (IPv4 address or IPv6 /64); 0 = no limit. Loopback is never limited. Default 5,000.</summary>
    public int MaxRatePerSource { get; init; } = 5000;

    /// <summary>Datagrams that one source may send at once after a pause. Default 10,000.</summary>
    public int MaxBurstPerSource { get; init; } = 10_000;

    /// <summary>
    /// How many times larger than its request an answer to an unverified source may be, unless the request asked for a block size; 0 = no bound.
    /// Default 3. Loopback counts as verified.
    /// </summary>
    public int AmplificationFactor { get; init; } = 3;

    /// <summary>Answers up to this size are never held back, bytes, so that errors and small values need no second round. Default 136.</summary>
    public int AmplificationFloor { get; init; } = 136;

    /// <summary>What becomes of an answer above the bound. Default <see cref="AmplificationAnswer.SmallBlocks"/>.</summary>
    public AmplificationAnswer AmplificationAnswer { get; init; } = AmplificationAnswer.SmallBlocks;

    /// <summary>Peers remembered as verified. Default 16,384.</summary>
    public int MaxVerified { get; init; } = 16_384;

    /// <summary>The clock. Default the system's.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Called when a handler throws or a socket fails: what happened and why. Must not throw. Default: nobody is told.</summary>
    public Action<string, Exception>? OnFault { get; init; }

    /// <summary>Checks the ranges; called by the server.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range; the message names it.</exception>
    internal void Validate()
    {
        Require(Addresses.Count > 0, "Addresses is empty; name at least one address to listen on");
        Require(Port is >= 0 and <= 65_535, "Port must be 0 to 65,535");
        Require(ReceiveLoops is >= 1 and <= 64, "ReceiveLoops must be 1 to 64");
        Require(BlockSize is 16 or 32 or 64 or 128 or 256 or 512 or 1024, "BlockSize must be a power of two from 16 to 1,024");
        Require(MaxBody >= 1, "MaxBody must be at least 1");
        Require(MaxDatagram is >= 1152 and <= 65_507, "MaxDatagram must be 1,152 (the least that RFC 7252 §4.6 asks for) to 65,507");
        Require(MaxToken is >= 8 and <= 1024, "MaxToken must be 8 to 1,024");
        Require(MaxConcurrent >= 1 && MaxExchanges >= 8 && MaxExchangeBytes >= 1 && MaxOutgoing >= 1, "MaxConcurrent, MaxExchanges and MaxOutgoing must be positive");
        Require(MaxTransfers >= 1 && MaxTransferBytes >= MaxBody, "MaxTransfers must be positive and MaxTransferBytes hold a body of MaxBody");
        Require(AckTimeout > AcknowledgeAfter && AcknowledgeAfter > TimeSpan.Zero, "AcknowledgeAfter must be above 0 and below AckTimeout");
        Require(AckRandomFactor >= 1 && MaxRetransmit >= 0 && NStart >= 1, "AckRandomFactor and NStart must be at least 1, MaxRetransmit at least 0");
        Require(ExchangeLifetime > TimeSpan.Zero && NonLifetime > TimeSpan.Zero && TransferLifetime > TimeSpan.Zero, "lifetimes must be above 0");
        Require(Leisure >= TimeSpan.Zero, "Leisure must not be negative");
        Require(AmplificationFactor >= 0 && AmplificationFloor >= 64, "AmplificationFactor must not be negative and AmplificationFloor be at least 64");
    }

    private static void Require(bool holds, string message)
    {
        if (!holds) throw new ArgumentException($"CoAP server options: {message}.");
    }
}
