using System.Net.Sockets;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;

namespace Stint.Ingress;

/// <summary>Kestrel without ASP.NET's pipeline, as the endpoints on a call's way use it.</summary>
internal static class BareKestrel
{
    /// <summary>
    /// Makes a server whose calls run where their bytes arrived, on the thread that waits for sockets: a call's way through the daemon never blocks, so it needs no hop to the thread pool
    /// (docs/decisions/0007-inline.md).
    /// </summary>
    public static KestrelServer Make(KestrelServerOptions options, ILoggerFactory loggers)
    {
        var transport = new SocketTransportOptions { UnsafePreferInlineScheduling = true };
        return new KestrelServer(Options.Create(options), new SocketTransportFactory(Options.Create(transport), loggers), loggers);
    }

    /// <summary>Begins to listen.</summary>
    /// <param name="server">The server.</param>
    /// <param name="application">What answers.</param>
    /// <param name="endpoint">Its name in an error.</param>
    /// <param name="flag">The flag that gives it another port.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">An address cannot be bound; the message says which and what to do.</exception>
    public static async Task StartAsync<TContext>(KestrelServer server, IHttpApplication<TContext> application, string endpoint, string flag, CancellationToken cancellationToken)
        where TContext : notnull
    {
        try
        {
            await server.StartAsync(application, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or SocketException)
        {
            throw new IOException($"the {endpoint} endpoint cannot listen: {failure.Message} Stop what uses the address, or choose another with {flag} or --listen", failure);
        }
    }
}
