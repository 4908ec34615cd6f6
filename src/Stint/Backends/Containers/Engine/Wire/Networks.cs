using System.Diagnostics.CodeAnalysis;

namespace Stint.Backends.Containers.Engine;

/// <summary>A network to be made: the body of <c>POST /networks/create</c>.</summary>
internal sealed record NetworkSettings
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>A name that is taken is an error; newer engines always have it so.</summary>
    public bool CheckDuplicate { get; init; } = true;

    /// <summary><c>bridge</c>, or <c>overlay</c> across a swarm.</summary>
    public string Driver { get; init; } = "bridge";

    /// <summary>Of an overlay: containers that are no tasks may join.</summary>
    public bool? Attachable { get; init; }

    /// <summary>No way out.</summary>
    public bool? Internal { get; init; }

    /// <summary>Its addresses; null = of the engine's own pools.</summary>
    public NetworkAddresses? IPAM { get; init; }

    /// <summary>The driver's settings: <c>com.docker.network.bridge.enable_icc</c> …</summary>
    public IReadOnlyDictionary<string, string>? Options { get; init; }

    /// <summary>Labels.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
}

/// <summary>A network's addresses.</summary>
internal sealed record NetworkAddresses
{
    /// <summary>Who gives them out.</summary>
    public string? Driver { get; init; }

    /// <summary>Its subnets.</summary>
    [AllowNull]
    public IReadOnlyList<NetworkSubnet> Config { get; init => field = value ?? []; } = [];

    /// <summary>One subnet, and the gateway in it.</summary>
    public static NetworkAddresses Of(string subnet, string? gateway = null) => new() { Config = [new NetworkSubnet { Subnet = subnet, Gateway = gateway }] };
}

/// <summary>A subnet of a network.</summary>
internal sealed record NetworkSubnet
{
    /// <summary>As <c>10.101.0.0/24</c>.</summary>
    public string? Subnet { get; init; }

    /// <summary>The host's own address in it; null = the engine chooses the first.</summary>
    public string? Gateway { get; init; }
}

/// <summary>The answer to a create.</summary>
internal sealed record CreatedNetwork
{
    /// <summary>The network's id.</summary>
    public required string Id { get; init; }
}

/// <summary><c>GET /networks/{id}</c>, and of a list.</summary>
internal sealed record NetworkDetails
{
    /// <summary>Its id.</summary>
    public required string Id { get; init; }

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary><c>bridge</c>, <c>host</c>, <c>null</c>, …</summary>
    public string? Driver { get; init; }

    /// <summary>No way out.</summary>
    public bool Internal { get; init; }

    /// <summary>Its addresses.</summary>
    public NetworkAddresses? IPAM { get; init; }

    /// <summary>Its containers by id; a list may leave them out.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, NetworkMember> Containers { get; init => field = value ?? new Dictionary<string, NetworkMember>(); } = new Dictionary<string, NetworkMember>();

    /// <summary>Its labels.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, string> Labels { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();
}

/// <summary>A container in a network.</summary>
internal sealed record NetworkMember
{
    /// <summary>The container's name.</summary>
    public string? Name { get; init; }

    /// <summary>Its address with the subnet's length.</summary>
    public string? IPv4Address { get; init; }
}

/// <summary>A container that joins or leaves a network.</summary>
internal sealed record NetworkMembership
{
    /// <summary>Its id or name.</summary>
    public required string Container { get; init; }

    /// <summary>Its addresses there, when it joins.</summary>
    public EndpointSettings? EndpointConfig { get; init; }

    /// <summary>Even though it runs, when it leaves.</summary>
    public bool? Force { get; init; }
}
