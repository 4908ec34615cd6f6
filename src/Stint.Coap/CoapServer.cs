using System.Net;
using Stint.Coap.Transport;

namespace Stint.Coap;

/// <summary>A CoAP server over UDP: give it resources, start it, dispose it.</summary>
public sealed class CoapServer : IAsyncDisposable
{
    private readonly UdpTransport _transport;
    private readonly CoapEngine _engine;
    private readonly Lock _gate = new();
    private Task? _stopped;

    /// <summary>Opens the sockets; requests are taken after <see cref="Start"/>.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">An address cannot be listened on.</exception>
    public CoapServer(CoapServerOptions options, ICoapResources resources)
    {
        options.Validate();
        _transport = new UdpTransport(options);
        _engine = new CoapEngine(options, resources, _transport);
    }

    /// <summary>Where it listens, with the port that was found for port 0.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints => _transport.EndPoints;

    /// <summary>What happened so far.</summary>
    public CoapCounters Counters => _engine.Counters;

    /// <summary>Starts to take requests; once.</summary>
    public void Start() => _transport.Start(_engine.Receive);

    /// <summary>
    /// Tells that an observed resource has changed: whatever is observed under this path, with any query, is asked again and its observers are notified.
    /// </summary>
    /// <param name="path">As in <see cref="CoapRequest.Path"/>: <c>/a/b</c>.</param>
    /// <returns>How many representations are asked again; 0 when nobody observes the path.</returns>
    public int Changed(string path) => Changed(request => request.Path == path);

    /// <summary>The same for the registrations that the predicate picks; it is called with the request that began an observation.</summary>
    public int Changed(Func<CoapRequest, bool> concerns) => _engine.Observers.Changed(concerns);

    /// <summary>
    /// Takes no more requests (5.03), gives those that run the grace to end, cancels the rest, waits for them, and closes the sockets.
    /// </summary>
    /// <remarks>A second call waits for the end of the first, with the first one's grace.</remarks>
    public ValueTask StopAsync(TimeSpan grace)
    {
        lock (_gate) return new ValueTask(_stopped ??= StopOnceAsync(grace));
    }

    /// <summary>Stops without grace.</summary>
    public ValueTask DisposeAsync() => StopAsync(TimeSpan.Zero);

    private async Task StopOnceAsync(TimeSpan grace)
    {
        await _engine.StopAsync(grace);
        _transport.Dispose();
    }
}
