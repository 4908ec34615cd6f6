using System.Net;
using Stint.Ingress.Coap;
using Stint.Ingress.Grpc;
using Stint.Ingress.Http;
using Stint.Management;

namespace Stint.Hosting;

/// <summary>The endpoints through which functions are called: those that the settings turn on. A new protocol is one more method here.</summary>
internal sealed class InvocationEndpoints(Platform platform, HttpIngress uniFaas, IServiceProvider services, ILoggerFactory loggers) : IAsyncDisposable
{
    private readonly List<(IAsyncDisposable Endpoint, Func<TimeSpan, CancellationToken, Task> Stop)> _running = [];
    private readonly List<EndpointView> _views = [];
    private Action _ready = static () => { };
    private Action _leave = static () => { };

    /// <summary>What listens, where, in the order in which people are told.</summary>
    public IReadOnlyList<EndpointView> Views => _views;

    private DaemonOptions Options => platform.Options;

    private long MaxBody => Options.MaxBodyMiB * 1024L * 1024L;

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">An address cannot be bound.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (Options.HttpPort >= 0)
        {
            var ingress = new HttpIngress(new StintDialect(), platform.InvokeAsync, platform.AsyncCalls, MaxBody, new TrustedProxies(Options.TrustedProxies));
            await StartHttpAsync("http", Options.HttpPort, ingress, cancellationToken).ConfigureAwait(false);
        }
        if (Options.CoapPort >= 0) StartCoap();
        if (Options.GrpcPort >= 0) await StartGrpcAsync(cancellationToken).ConfigureAwait(false);
        if (Options.UniFaasPort >= 0) await StartHttpAsync("unifaas", Options.UniFaasPort, uniFaas, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Functions are in service: for protocols that can say so.</summary>
    public void Ready() => _ready();

    /// <summary>Calls are still taken, but not for long: for protocols that can say so.</summary>
    public void Leave() => _leave();

    /// <summary>Takes no more calls; running ones have until the limit.</summary>
    public Task StopAsync(TimeSpan limit, CancellationToken deadline) => Task.WhenAll(_running.Select(running => running.Stop(limit, deadline)));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var (endpoint, _) in _running) await endpoint.DisposeAsync().ConfigureAwait(false);
        _running.Clear();
    }

    /// <summary>The address that works in a shell on this host: a wildcard or loopback address is localhost.</summary>
    public static string Shown(string scheme, IReadOnlyList<string> urls)
    {
        var uri = new Uri(urls[0]);
        return IPAddress.TryParse(uri.Host.Trim('[', ']'), out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) || IPAddress.IsLoopback(address))
            ? $"{scheme}://localhost:{uri.Port}"
            : $"{scheme}://{uri.Authority}";
    }

    private async Task StartHttpAsync(string protocol, int port, HttpIngress ingress, CancellationToken cancellationToken)
    {
        var http = new HttpEndpoint(new HttpIngressOptions { Listen = Options.Listen, Port = port }, ingress, services, loggers);
        _running.Add((http, (_, deadline) => http.StopAsync(deadline)));
        await http.StartAsync(cancellationToken).ConfigureAwait(false);
        _views.Add(new EndpointView(protocol, Shown("http", http.Urls)));
    }

    private void StartCoap()
    {
        var ingress = new CoapIngress(platform.InvokeAsync, platform.AsyncCalls, platform.CoapFunctions, MaxBody);
        var coap = new CoapEndpoint(Options.Listen, Options.CoapPort, Options.CoapMulticast, (int)Math.Min(int.MaxValue, MaxBody), ingress, loggers.CreateLogger<CoapEndpoint>());
        _running.Add((coap, (limit, _) => coap.StopAsync(limit)));
        coap.Start();
        platform.Changed = coap.Changed;
        _views.Add(new EndpointView("coap", coap.Url));
    }

    private async Task StartGrpcAsync(CancellationToken cancellationToken)
    {
        var options = new GrpcIngressOptions { Listen = Options.Listen, Port = Options.GrpcPort, MaxMessage = Options.GrpcMaxMessageMiB * 1024 * 1024 };
        var grpc = new GrpcEndpoint(options, platform.InvokeAsync, platform.AsyncCalls, TimeProvider.System, services, loggers);
        _running.Add((grpc, (_, deadline) => grpc.StopAsync(deadline)));
        await grpc.StartAsync(cancellationToken).ConfigureAwait(false);
        _ready += grpc.Ready;
        _leave += grpc.Leave;
        _views.Add(new EndpointView("grpc", Shown("grpc", grpc.Urls)));
    }
}
