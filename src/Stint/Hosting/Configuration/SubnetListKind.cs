using System.Net;
using System.Net.Sockets;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>IPv4 networks that smaller ones are cut out of: an array of texts, or one text with commas.</summary>
internal sealed class SubnetListKind : ValueKind<IReadOnlyList<IPNetwork>>
{
    /// <summary>The smallest network that has room for a function of one instance.</summary>
    private const int LongestPrefix = 28;

    private readonly NetworkListKind _networks = new();

    /// <inheritdoc/>
    public override string Description => $"IPv4 networks such as \"10.101.0.0/16\", each of /8 to /{LongestPrefix}, in an array or with commas";

    /// <inheritdoc/>
    public override IReadOnlyList<IPNetwork>? Read(TomlValue value, Report report)
    {
        var networks = _networks.Read(value, static (_, _) => { });
        return networks is { Count: > 0 } && networks.All(static network => network.BaseAddress.AddressFamily == AddressFamily.InterNetwork && network.PrefixLength is >= 8 and <= LongestPrefix)
            ? [.. networks.Distinct()]
            : Refuse(value, report);
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<IPNetwork> value) => _networks.Write(value);
}
