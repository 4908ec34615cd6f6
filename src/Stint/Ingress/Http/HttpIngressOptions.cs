using System.Net;

namespace Stint.Ingress.Http;

/// <summary>Where the HTTP endpoint listens.</summary>
internal sealed record HttpIngressOptions
{
    /// <summary>Addresses; <see cref="IPAddress.IPv6Any"/> means all of both families.</summary>
    public required IReadOnlyList<IPAddress> Listen { get; init; }

    /// <summary>TCP port; 0 = any free one.</summary>
    public required int Port { get; init; }
}
