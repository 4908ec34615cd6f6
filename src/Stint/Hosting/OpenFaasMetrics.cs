using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Stint.Ingress;
using Stint.Security;

namespace Stint.Hosting;

/// <summary>OpenFaaS's metrics at a port of their own, where its dashboards and rules look for them: <c>:8082/metrics</c>, and nothing else.</summary>
internal sealed class OpenFaasMetrics : IHttpApplication<IFeatureCollection>, IAsyncDisposable
{
    private readonly KestrelServer _server;
    private readonly ManagementAccess? _access;
    private readonly Func<PipeWriter, CancellationToken, Task> _write;

    /// <summary>Prepares it; nothing listens yet.</summary>
    /// <param name="options">Where it listens.</param>
    /// <param name="access">Who may read; null = everybody.</param>
    /// <param name="write">Writes the text.</param>
    /// <param name="services">For Kestrel.</param>
    /// <param name="loggers">For Kestrel.</param>
    public OpenFaasMetrics(DaemonOptions options, ManagementAccess? access, Func<PipeWriter, CancellationToken, Task> write, IServiceProvider services, ILoggerFactory loggers)
    {
        (_access, _write) = (access, write);
        var kestrel = new KestrelServerOptions { ApplicationServices = services, AddServerHeader = false };
        foreach (var address in ManagementAddresses.Of(options)) kestrel.Listen(new IPEndPoint(address, options.OpenFaasMetricsPort));
        _server = BareKestrel.Make(kestrel, loggers);
    }

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">An address cannot be bound.</exception>
    public Task StartAsync(CancellationToken cancellationToken) => BareKestrel.StartAsync(_server, this, "OpenFaaS metrics", "--openfaas-metrics-port", cancellationToken);

    /// <summary>Stops accepting and waits for running requests until the token fires.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _server.StopAsync(cancellationToken);

    /// <inheritdoc/>
    public IFeatureCollection CreateContext(IFeatureCollection contextFeatures) => contextFeatures;

    /// <inheritdoc/>
    public void DisposeContext(IFeatureCollection context, Exception? exception) { }

    /// <inheritdoc/>
    public async Task ProcessRequestAsync(IFeatureCollection context)
    {
        var request = context.GetRequiredFeature<IHttpRequestFeature>();
        var response = context.GetRequiredFeature<IHttpResponseFeature>();
        if (request.Path != "/metrics") response.StatusCode = StatusCodes.Status404NotFound;
        else if (_access?.Accepts(request.Headers.Authorization) == false)
        {
            response.StatusCode = StatusCodes.Status401Unauthorized;
            response.Headers.WWWAuthenticate = ManagementAccess.Challenge;
        }
        else
        {
            response.Headers.ContentType = "text/plain; version=0.0.4; charset=utf-8";
            await _write(context.GetRequiredFeature<IHttpResponseBodyFeature>().Writer, context.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        return ValueTask.CompletedTask;
    }
}
