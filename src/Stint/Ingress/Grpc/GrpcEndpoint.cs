using System.Net;
using System.Text;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Stint.Deliveries;
using Stint.Ingress.Grpc.Services;
using Stint.Invocations;

namespace Stint.Ingress.Grpc;

/// <summary>The listening side of the gRPC endpoint: Kestrel with cleartext HTTP/2 by prior knowledge (RFC 9113 section 3.3), and the services on it.</summary>
internal sealed class GrpcEndpoint : IAsyncDisposable
{
    // Kestrel's 100 would make a client with more calls at a time open more connections or wait. A call that waits for an instance costs a few KiB; the pools' queues bound what is taken.
    private const int MaxStreamsPerConnection = 1024;

    private readonly KestrelServer _server;
    private readonly GrpcIngress _ingress;
    private readonly ServingState _serving = new();

    /// <summary>Prepares it; nothing listens yet.</summary>
    public GrpcEndpoint(
        GrpcIngressOptions options, Func<Invocation, ValueTask<Reply>> invoke, AsyncCalls asyncCalls, TimeProvider time, IServiceProvider services, ILoggerFactory loggers)
    {
        var calls = new FunctionCalls(invoke, asyncCalls.AcceptAsync, options.MaxMessage);
        _ingress = new GrpcIngress(AllServices(calls, _serving), options.MaxMessage, time, loggers.CreateLogger<GrpcIngress>());
        var kestrel = new KestrelServerOptions { ApplicationServices = services, AddServerHeader = false };
        // The limit is a message's, not a request's; MessageReader keeps it.
        kestrel.Limits.MaxRequestBodySize = null;
        kestrel.Limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;
        kestrel.RequestHeaderEncodingSelector = static _ => Encoding.UTF8;
        foreach (var address in options.Listen) kestrel.Listen(new IPEndPoint(address, options.Port), static listen => listen.Protocols = HttpProtocols.Http2);
        _server = BareKestrel.Make(kestrel, loggers);
    }

    /// <summary>Where it listens, once started: one <c>grpc://</c> URL for each address.</summary>
    public IReadOnlyList<string> Urls => [.. _server.Features.Get<IServerAddressesFeature>()?.Addresses ?? []];

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">An address cannot be bound; the message says which.</exception>
    public Task StartAsync(CancellationToken cancellationToken) => BareKestrel.StartAsync(_server, _ingress, "gRPC", "--grpc-port", cancellationToken);

    /// <summary>From now on the health service says SERVING.</summary>
    public void Ready() => _serving.Set(isServing: true);

    /// <summary>The health service says that the functions are soon out of service.</summary>
    public void Leave() => _serving.Set(isServing: false);

    /// <summary>The health service says NOT_SERVING, streams without an end of their own are ended, no more calls are accepted; then waits for running ones until the token fires.</summary>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        _serving.Stop();
        return _server.StopAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        _serving.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>All services: one line for each.</summary>
    private static List<GrpcService> AllServices(FunctionCalls calls, ServingState serving)
    {
        List<GrpcService> services = [new TinyFaasService(calls).Definition, new FunctionsService(calls).Definition];
        services.Add(new HealthService([.. services.Select(static service => service.Name)], serving).Definition);
        services.AddRange(ReflectionService.Definitions(services, serving.Stopping));
        return services;
    }
}
