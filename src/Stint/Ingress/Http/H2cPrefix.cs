using System.Buffers;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Stint.Ingress.Http;

/// <summary>
/// HTTP/1.1 and cleartext HTTP/2 on one port. Kestrel chooses between the two by TLS's ALPN alone; here the first bytes decide: an HTTP/2 connection with prior knowledge begins with a fixed
/// preface (RFC 9113 section 3.4). Kestrel is told by the feature that ALPN would have set; the request's scheme therefore needs AllowAlternateSchemes.
/// </summary>
internal sealed class H2cPrefix : ITlsConnectionFeature, ITlsApplicationProtocolFeature
{
    private static readonly H2cPrefix Http2 = new();

    // As long as Kestrel's own limit for request headers: a connection that says nothing at all is closed after it.
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(130);

    private static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    ReadOnlyMemory<byte> ITlsApplicationProtocolFeature.ApplicationProtocol { get; } = "h2"u8.ToArray();

    X509Certificate2? ITlsConnectionFeature.ClientCertificate { get; set; }

    Task<X509Certificate2?> ITlsConnectionFeature.GetClientCertificateAsync(CancellationToken cancellationToken) => Task.FromResult<X509Certificate2?>(null);

    /// <summary>The connection middleware.</summary>
    public static async Task DetectAsync(ConnectionDelegate next, ConnectionContext connection)
    {
        if (await StartsWithPrefaceAsync(connection).ConfigureAwait(false))
        {
            connection.Features.Set<ITlsConnectionFeature>(Http2);
            connection.Features.Set<ITlsApplicationProtocolFeature>(Http2);
        }
        await next(connection).ConfigureAwait(false);
    }

    private static async ValueTask<bool> StartsWithPrefaceAsync(ConnectionContext connection)
    {
        // A server that stops waits for its connections: one that has not said anything has nothing to wait for. (Clients open some in advance.)
        var stopping = connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? CancellationToken.None;
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        silence.CancelAfter(SilenceLimit);
        try
        {
            for (var examined = 0L; ;)
            {
                var read = await connection.Transport.Input.ReadAsync(silence.Token).ConfigureAwait(false);
                var seen = (int)Math.Min(read.Buffer.Length, Preface.Length);
                var matches = Matches(read.Buffer.Slice(0, seen));
                var decided = !matches || seen == Preface.Length || read.IsCompleted;
                // Nothing is consumed. What came last stays unexamined when it is decided, so that Kestrel has all of it at once; what came before cannot be un-examined.
                connection.Transport.Input.AdvanceTo(read.Buffer.Start, decided ? read.Buffer.GetPosition(examined) : read.Buffer.End);
                examined = read.Buffer.Length;
                if (decided) return matches && seen == Preface.Length;
            }
        }
        catch (Exception failure) when (failure is OperationCanceledException or ConnectionResetException or ConnectionAbortedException)
        {
            connection.Abort();
            return false;
        }
    }

    private static bool Matches(in ReadOnlySequence<byte> bytes)
    {
        Span<byte> copy = stackalloc byte[(int)bytes.Length];
        bytes.CopyTo(copy);
        return copy.SequenceEqual(Preface[..copy.Length]);
    }
}
