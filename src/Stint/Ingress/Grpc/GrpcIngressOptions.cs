using System.Net;

namespace Stint.Ingress.Grpc;

/// <summary>Where the gRPC endpoint listens and what it takes.</summary>
internal sealed record GrpcIngressOptions
{
    /// <summary>Addresses; <see cref="IPAddress.IPv6Any"/> means all of both families.</summary>
    public required IReadOnlyList<IPAddress> Listen { get; init; }

    /// <summary>TCP port; 0 = any free one.</summary>
    public required int Port { get; init; }

    /// <summary>The longest message, bytes, in either direction; 1 to 1 GiB.</summary>
    public required int MaxMessage { get; init; }
}
