using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using Stint.Coap.Discovery;
using Stint.Coap.Messages;
using Stint.Coap.Observing;

namespace Stint.Coap.Tests.Interop;

/// <summary>A real server on a free port of the loopback, with a resource for each thing that clients do.</summary>
internal sealed class InteropServer : ICoapResources, IAsyncDisposable
{
    public static readonly byte[] Large = [.. Enumerable.Range(0, 65_536).Select(i => (byte)('a' + (i * 7 % 26)))];

    private readonly CoapServer _server;
    private int _ticks;

    /// <param name="address">Where to listen; the loopback unless given.</param>
    public InteropServer(IPAddress? address = null)
    {
        _server = new CoapServer(
            new CoapServerOptions
            {
                Addresses = [address ?? IPAddress.Loopback],
                Port = 0,
                AcknowledgeAfter = TimeSpan.FromMilliseconds(50),
                OnFault = (doing, fault) => Faults.Add($"{doing}: {fault}"),
            },
            this);
        _server.Start();
    }

    public int Port => _server.EndPoints[0].Port;

    public CoapCounters Counters => _server.Counters;

    public ConcurrentBag<string> Faults { get; } = [];

    /// <summary>How often a POST to /once was run, by its body.</summary>
    public ConcurrentDictionary<string, int> Runs { get; } = [];

    /// <summary>The last body put to /sink.</summary>
    public byte[]? Sunk { get; private set; }

    public IEnumerable<CoapLink> Links => [new CoapLink { Path = "/echo", ResourceTypes = ["stint.function"] }, new CoapLink { Path = "/tick", IsObservable = true }];

    public string Url(string path, int? port = null) => $"coap://{_server.EndPoints[0].Address}:{port ?? Port}{path}";

    public async ValueTask<CoapResponse> HandleAsync(CoapRequest request, CancellationToken cancellationToken)
    {
        switch (request.Path)
        {
            case "/echo":
                return CoapResponse.Content(request.Payload, request.ContentFormat ?? ContentFormats.TextPlain);
            case "/query":
                return CoapResponse.Text(string.Join('|', request.Query));
            case "/large":
                return CoapResponse.Content(Large, ContentFormats.OctetStream);
            case "/sink":
                Sunk = request.Payload.ToArray();
                return CoapResponse.Changed;
            case "/slow":
                await Task.Delay(TimeSpan.FromMilliseconds(400), TimeProvider.System, cancellationToken);
                return CoapResponse.Text("slow but sure");
            case "/tick":
                return CoapResponse.Text(string.Create(CultureInfo.InvariantCulture, $"tick {Interlocked.Increment(ref _ticks)}"));
            case "/once":
                var text = Encoding.UTF8.GetString(request.Payload.Span);
                Runs.AddOrUpdate(text, 1, static (_, runs) => runs + 1);
                if (text.EndsWith('s')) await Task.Delay(TimeSpan.FromMilliseconds(150), TimeProvider.System, cancellationToken);
                return CoapResponse.Text("ran " + text[..Math.Min(text.Length, 40)]);
            default:
                return CoapResponse.Error(CoapCode.NotFound, "no such resource");
        }
    }

    public Observation? Observe(CoapRequest request) => request.Path == "/tick" ? new Observation { Interval = TimeSpan.FromMilliseconds(300) } : null;

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Assert.Empty(Faults);
    }
}
