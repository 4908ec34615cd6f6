// The management endpoint: an ordinary ASP.NET application, because it is not on any call's way. Before a request reaches a route:
//
//   1. the connection: a function's user (with network = "host") and a function's address (which the packet filter keeps out before) are refused, so functions can never manage the platform that runs them
//   2. the Host header: only names of this endpoint, and no foreign Origin, so that a web page in a browser on this host cannot either
//   3. the token, or user and password, when the endpoint is open to others or the operator wants it (basic-auth)
//
// UniFaaS's /invoke/… and OpenFaaS's calls (/function/…, /async-function/…, POST /) stand before 2 and 3: they are invocation endpoints that happen to be at this port, as open as the HTTP endpoint
// and no way to manage anything. Step 1 holds for them too.
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Stint.Backends.Processes.Sandboxing;
using Stint.Dialects.OpenFaas;
using Stint.Dialects.TinyFaas;
using Stint.Dialects.UniFaas;
using Stint.Ingress.Http;
using Stint.Management;
using Stint.Network;
using Stint.Security;

namespace Stint.Hosting;

/// <summary>The listening side of management.</summary>
internal sealed partial class ManagementEndpoint : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ManagementAccess? _access;
    private readonly bool _loopbackOnly;
    private volatile bool _ready;

    /// <summary>Prepares it; nothing listens yet.</summary>
    /// <exception cref="IOException">The token file, or the files of user and password, cannot be used.</exception>
    public ManagementEndpoint(WebApplicationBuilder builder, Platform platform, HttpIngress uniFaas, FaasGateway faas, Func<IReadOnlyList<EndpointView>> endpoints)
    {
        var options = platform.Options;
        _loopbackOnly = options.ManagementListen.All(IPAddress.IsLoopback);
        var tokenFile = options.TokenFile ?? Path.Combine(options.State, "token");
        var basic = options.BasicAuth ? BasicCredentials.Load(options.SecretMountPath) : null;
        if (basic is not null || (!_loopbackOnly && !options.Insecure)) _access = new ManagementAccess(ManagementToken.LoadOrCreate(tokenFile), basic);

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Base64 in JSON, the widest form of an upload, is a third larger than the zip.
            kestrel.Limits.MaxRequestBodySize = options.MaxUploadMiB * 1024L * 1024L * 4 / 3 + 64 * 1024;
            // For UniFaaS's callers, as at the HTTP endpoint.
            kestrel.RequestHeaderEncodingSelector = static _ => Encoding.UTF8;
            kestrel.ResponseHeaderEncodingSelector = static _ => Encoding.UTF8;
            foreach (var address in options.ManagementListen)
                kestrel.Listen(new IPEndPoint(address, options.ManagementPort), listen => listen.Use(next => connection => RefuseFunctions(next, connection, platform.Network)));
        });
        _app = builder.Build();
        _app.Use(next => context => context.Request.Path.StartsWithSegments(UniFaasDialect.Prefix, StringComparison.Ordinal) ? InvokeAsync(uniFaas, context) : next(context));
        _app.Use(next => context => FaasGateway.Takes(context.Request) ? faas.InvokeAsync(context) : next(context));
        _app.Use(GuardAsync);
        _app.MapMethods("/healthz", [HttpMethods.Get, HttpMethods.Head], static context => context.Response.WriteAsync("ok\n"));
        _app.MapGet("/readyz", context =>
        {
            context.Response.StatusCode = _ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return context.Response.WriteAsync(_ready ? "ready\n" : "starting or stopping\n");
        });
        _app.MapGet("/metrics", context =>
        {
            context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
            return PlatformMetrics.WriteAsync(platform, faas.Meter, context.Response.BodyWriter, context.RequestAborted);
        });
        new ManagementRoutes(platform, endpoints).Map(_app);
        new AsyncRoutes(platform).Map(_app);
        new TinyFaasRoutes(platform, endpoints).Map(_app);
        new FaasRoutes(platform).Map(_app);
    }

    /// <summary>Who may manage; null = everybody who can reach the endpoint.</summary>
    public ManagementAccess? Access => _access;

    /// <summary>Services for other endpoints of the same process.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>Where it listens, once started.</summary>
    public IReadOnlyList<string> Urls => [.. _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses ?? []];

    /// <summary>What <c>/readyz</c> says.</summary>
    public bool IsReady { set => _ready = value; }

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">An address cannot be bound; the message says what to do.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _app.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or SocketException)
        {
            throw new IOException($"the management endpoint cannot listen: {failure.Message} Stop what uses the address, or choose another with --management-port or --management-listen", failure);
        }
    }

    /// <summary>Stops accepting and waits for running requests until the token fires.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _app.StopAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static Task RefuseFunctions(Microsoft.AspNetCore.Connections.ConnectionDelegate next, Microsoft.AspNetCore.Connections.ConnectionContext connection, HostNetwork network)
    {
        if (connection is { RemoteEndPoint: IPEndPoint remote, LocalEndPoint: IPEndPoint local }
            && ((network.IsReady && network.Subnet.Contains(remote.Address)) || LocalPeer.UserOf(remote, local) is >= SandboxUsers.First and < SandboxUsers.End))
        {
            connection.Abort(new Microsoft.AspNetCore.Connections.ConnectionAbortedException("a function tried to reach the management endpoint"));
            return Task.CompletedTask;
        }
        return next(connection);
    }

    /// <summary>The ingress asks for features, and a context is made of them. It counts a body itself; the limit of this endpoint is that of uploads.</summary>
    private static Task InvokeAsync(HttpIngress uniFaas, HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = null;
        return uniFaas.ProcessRequestAsync(context.Features);
    }

    private Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        if (_loopbackOnly && !IsOurName(context.Request.Host.Host))
            return ManagementError.WriteAsync(context, StatusCodes.Status403Forbidden, "forbidden", $"'{context.Request.Host.Host}' is not a name of this endpoint; use localhost, 127.0.0.1 or [::1]");
        if (context.Request.Headers.Origin is [{ } origin, ..] && !IsSameOrigin(origin, context.Request.Host))
            return ManagementError.WriteAsync(context, StatusCodes.Status403Forbidden, "forbidden", "web pages may not call the management endpoint");
        if (_access is not null && context.Request.Path.Value is not ("/healthz" or "/readyz") && !_access.Accepts(context.Request.Headers.Authorization))
        {
            context.Response.Headers.WWWAuthenticate = ManagementAccess.Challenge;
            return ManagementError.WriteAsync(context, StatusCodes.Status401Unauthorized, "unauthorized", "this endpoint wants the token from the daemon's token file: Authorization: Bearer TOKEN (stint --token-file, STINT_TOKEN), or user and password (faas-cli login)");
        }
        return next(context);
    }

    // DNS rebinding: a page's own name resolved to 127.0.0.1 arrives here with that name.
    private static bool IsOurName(string host) =>
        host.Length == 0 || host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));

    private static bool IsSameOrigin(string origin, HostString host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Authority.Equals(host.Value, StringComparison.OrdinalIgnoreCase);
}
