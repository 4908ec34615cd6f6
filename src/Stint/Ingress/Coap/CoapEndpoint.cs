using System.Net;
using System.Net.Sockets;
using Stint.Coap;
using Stint.Invocations;

namespace Stint.Ingress.Coap;

/// <summary>The listening side of the CoAP endpoint.</summary>
internal sealed partial class CoapEndpoint : IAsyncDisposable
{
    private readonly CoapServer _server;

    /// <summary>Opens the sockets; requests are taken after <see cref="Start"/>.</summary>
    /// <exception cref="IOException">An address cannot be bound.</exception>
    public CoapEndpoint(IReadOnlyList<IPAddress> listen, int port, bool multicast, int maxBody, CoapIngress ingress, ILogger<CoapEndpoint> logger)
    {
        try
        {
            _server = new CoapServer(new CoapServerOptions
            {
                Addresses = listen,
                Port = port,
                Multicast = multicast,
                MaxBody = maxBody,
                MaxTransferBytes = Math.Max(64L << 20, maxBody),
                OnFault = (what, why) => Fault(logger, why, what),
            }, ingress);
        }
        catch (SocketException failure)
        {
            throw new IOException($"the CoAP endpoint cannot listen on UDP port {port}: {failure.Message}. Choose another with --coap-port, or -1 for none", failure);
        }
    }

    /// <summary>Where it listens, for people on this host.</summary>
    public string Url => $"coap://localhost:{_server.EndPoints[0].Port}";

    /// <summary>What happened so far.</summary>
    public CoapCounters Counters => _server.Counters;

    /// <summary>Begins to take requests.</summary>
    public void Start() => _server.Start();

    /// <summary>A function would answer differently now: its observers get fresh answers.</summary>
    /// <returns>How many representations are asked for again.</returns>
    public int Changed(FunctionName function) => _server.Changed(request => CoapIngress.Concerns(request, function));

    /// <summary>Takes no more requests; running ones have the grace.</summary>
    public Task StopAsync(TimeSpan grace) => _server.StopAsync(grace).AsTask();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [LoggerMessage(500, LogLevel.Error, "CoAP: {What}")]
    private static partial void Fault(ILogger logger, Exception why, string what);
}
