// The management endpoint: an ordinary ASP.NET application, because it is not on any call's way. Before a request reaches a route:
//
//   1. the connection: a function's user (with network = "host") and a function's address (which the packet filter keeps out before) are refused, so functions can never manage the platform that runs them
//   2. the Host header: only names of this endpoint, and no foreign Origin, so that a web page in a browser on this host cannot either
//   3. the token, or user and password, when the endpoint is open to others or the operator wants it (basic-auth); under /v1, FunLess's API, always a subject's token or one of these, unless funless-auth is off
//
// UniFaaS's /invoke/… and OpenFaaS's calls (/function/…, /async-function/…, POST /) stand before 2 and 3: they are invocation endpoints that happen to be at this port, as open as the HTTP endpoint
// and no way to manage anything. Step 1 holds for them too.
//
// FunLess's port (4000) is the same endpoint once more, with nothing but /v1.
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Stint.Backends.Processes.Sandboxing;
using Stint.Dialects.FunLess;
using Stint.Dialects.OpenFaas;
using Stint.Dialects.TinyFaas;
using Stint.Dialects.UniFaas;
using Stint.Ingress.Http;
using Stint.Management;
using Stint.Management.OpenApi;
using Stint.Network;
using Stint.Security;
using Stint.Security.Tokens;

namespace Stint.Hosting;

/// <summary>The listening side of management.</summary>
internal sealed partial class ManagementEndpoint : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ManagementAccess? _access;
    private readonly bool _loopbackOnly;
    private readonly int _listeners;
    private readonly FunLessTokens _tokens;
    private volatile bool _ready;

    /// <summary>Prepares it; nothing listens yet.</summary>
    /// <exception cref="IOException">A file with tokens, or with user and password, cannot be used, or FunLess's API would be open to others.</exception>
    public ManagementEndpoint(WebApplicationBuilder builder, Platform platform, HttpIngress uniFaas, FaasGateway faas, Func<IReadOnlyList<EndpointView>> endpoints, ILogger logger)
    {
        var options = platform.Options;
        _loopbackOnly = options.ManagementListen.All(IPAddress.IsLoopback);
        var tokenFile = options.TokenFile ?? Path.Combine(options.State, "token");
        var basic = options.BasicAuth ? BasicCredentials.Load(options.SecretMountPath) : null;
        var credentials = new ManagementAccess(ManagementToken.LoadOrCreate(tokenFile), basic);
        if (basic is not null || (!_loopbackOnly && !options.Insecure)) _access = credentials;
        if (!options.FunLessAuth && !_loopbackOnly) throw new IOException("funless-auth is off, which would let everybody who reaches the management endpoint deploy functions; turn it on, or listen at the loopback only (--management-listen localhost)");
        _tokens = new FunLessTokens(Path.Combine(options.State, "funless"), options.FunLessTokenFile, TimeProvider.System, logger, platform.Mirror);
        var subjects = new SubjectAccess(_tokens.Subjects, credentials, isOpen: !options.FunLessAuth);
        _listeners = options.ManagementListen.Count;

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Base64 in JSON, the widest form of an upload, is a third larger than the zip.
            kestrel.Limits.MaxRequestBodySize = options.MaxUploadMiB * 1024L * 1024L * 4 / 3 + 64 * 1024;
            // For UniFaaS's callers, as at the HTTP endpoint.
            kestrel.RequestHeaderEncodingSelector = static _ => Encoding.UTF8;
            kestrel.ResponseHeaderEncodingSelector = static _ => Encoding.UTF8;
            foreach (var address in ManagementAddresses.Of(options))
                kestrel.Listen(new IPEndPoint(address, options.ManagementPort), listen => listen.Use(next => connection => RefuseFunctions(next, connection, platform.Network)));
            if (options.FunLessPort < 0) return;
            foreach (var address in options.ManagementListen)
                kestrel.Listen(new IPEndPoint(address, options.FunLessPort), listen => listen.Use(next => connection => RefuseFunctions(marked => FunLessPort.MarkAsync(next, marked), connection, platform.Network)));
        });
        _app = builder.Build();
        _app.Use(next => context => FunLessPort.Refuses(context) ? FunLessPort.RefuseAsync(context) : next(context));
        _app.Use(next => context => context.Request.Path.StartsWithSegments(UniFaasDialect.Prefix, StringComparison.Ordinal) ? InvokeAsync(uniFaas, context) : next(context));
        _app.Use(next => context => FaasGateway.Takes(context.Request) ? faas.InvokeAsync(context) : next(context));
        _app.Use(GuardAsync);
        Map(_app, platform, () => _ready, faas.Meter, endpoints, _tokens.Subjects, subjects, _tokens.WriteFile);
    }

    /// <summary>Every route of this port, for the application and for the document of it.</summary>
    public static void Map(IEndpointRouteBuilder routes, Platform platform, Func<bool> isReady, FaasMeter meter, Func<IReadOnlyList<EndpointView>> endpoints, SubjectStore subjects, SubjectAccess access, Action renewed)
    {
        const string area = "health";
        routes.MapMethods("/healthz", [HttpMethods.Get, HttpMethods.Head], static context => context.Response.WriteAsync("ok\n"))
            .Describe(new ApiDescription(area, "Whether the daemon lives").ForEverybody().Answer(200, "It does", "text/plain"));
        routes.MapGet("/readyz", context =>
        {
            context.Response.StatusCode = isReady() ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return context.Response.WriteAsync(isReady() ? "ready\n" : "starting or stopping\n");
        }).Describe(new ApiDescription(area, "Whether it serves").ForEverybody().Answer(200, "It does", "text/plain").Answer(503, "It is starting or stopping", "text/plain"));
        routes.MapGet("/metrics", context =>
        {
            context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
            return PlatformMetrics.WriteAsync(platform, meter, context.Response.BodyWriter, context.RequestAborted);
        }).Describe(new ApiDescription(area, "Metrics, as Prometheus reads them").Answer(200, "All", "text/plain"));
        routes.MapGet("/openapi.json", context =>
        {
            context.Response.ContentType = "application/json; charset=utf-8";
            return context.Response.Body.WriteAsync(OpenApiDocument.Write(routes.DataSources)).AsTask();
        }).Describe(new ApiDescription(area, "This document").Answer(200, "OpenAPI 3.1", "application/json"));
        new ManagementRoutes(platform, endpoints).Map(routes);
        new AsyncRoutes(platform).Map(routes);
        new TokenRoutes(subjects, access, renewed).Map(routes);
        new TinyFaasRoutes(platform, endpoints).Map(routes);
        new FaasRoutes(platform).Map(routes);
        new FunLessRoutes(platform, subjects, access).Map(routes);
    }

    /// <summary>Who may manage; null = everybody who can reach the endpoint.</summary>
    public ManagementAccess? Access => _access;

    /// <summary>Services for other endpoints of the same process.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>Where it listens, once started.</summary>
    public IReadOnlyList<string> Urls => [.. Addresses.Take(_listeners)];

    /// <summary>Where FunLess's API has a port of its own, once started; empty when it has none.</summary>
    public IReadOnlyList<string> FunLessUrls => [.. Addresses.Skip(_listeners)];

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
            throw new IOException($"the management endpoint cannot listen: {failure.Message} Stop what uses the address, or choose another with --management-port, --funless-port or --management-listen", failure);
        }
    }

    /// <summary>Stops accepting and waits for running requests until the token fires.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _app.StopAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync().ConfigureAwait(false);
        await _tokens.DisposeAsync().ConfigureAwait(false);
    }

    // In the order in which they were given to Kestrel.
    private IEnumerable<string> Addresses => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses ?? [];

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
        // The routes under /v1 look for themselves.
        if (_access is not null && !context.Request.Path.StartsWithSegments(FunLessRoutes.Root, StringComparison.Ordinal) && context.Request.Path.Value is not ("/healthz" or "/readyz") && !_access.Accepts(context.Request.Headers.Authorization))
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
