using System.Net.Sockets;

namespace Stint.Management;

/// <summary>
/// .NET 10 asks a fresh connection for its remote address, outside of its own error handling: a server that goes at that very moment shows as a bare <see cref="SocketException"/>.
/// This makes it what callers of an HTTP client expect.
/// </summary>
internal sealed class ConnectionFaults(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    /// <inheritdoc/>
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException fault)
        {
            throw new HttpRequestException(HttpRequestError.ConnectionError, fault.Message, fault);
        }
    }
}
