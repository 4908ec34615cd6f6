using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;
using Stint.Network;

namespace Stint.Hosting.Configuration;

/// <summary>A range of IPv4 addresses for instances.</summary>
internal sealed class SubnetKind : ValueKind<Ipv4Subnet?>
{
    // The least that is of use: one network of four addresses. The most: that of the largest private range.
    private const int Shortest = 8;

    /// <inheritdoc/>
    public override string Description => "a private IPv4 subnet of /8 to /30, such as \"10.100.0.0/16\"";

    /// <inheritdoc/>
    public override Ipv4Subnet? Read(TomlValue value, Report report) =>
        value is TomlString text && Ipv4Subnet.TryParse(text.Value, out var subnet) && subnet.PrefixLength is >= Shortest and <= AddressPool.PrefixLength && subnet.IsPrivate ? subnet : Refuse(value, report);

    /// <inheritdoc/>
    public override TomlValue Write(Ipv4Subnet? value) => new TomlString(value?.ToString() ?? "");
}

/// <summary>IPv4 addresses of name servers: an array of texts, or one text with commas.</summary>
internal sealed class NameServersKind : ValueKind<IReadOnlyList<uint>>
{
    /// <inheritdoc/>
    public override string Description => "one to three IPv4 addresses that are not of the loopback";

    /// <inheritdoc/>
    public override IReadOnlyList<uint>? Read(TomlValue value, Report report)
    {
        var servers = new List<uint>();
        foreach (var word in TextList.Of(value) ?? [""])
        {
            if (!Ipv4Subnet.TryParseAddress(word, out var address) || address >> 24 is 0 or 127) return Refuse(value, report);
            servers.Add(address);
        }
        return servers.Count is 0 or > 3 ? Refuse(value, report) : servers;
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<uint> value) => TextList.Write(value.Select(Ipv4Subnet.Text));
}

/// <summary>Addresses with a port: an array of texts, or one text with commas.</summary>
internal sealed class AllowedTargetsKind : ValueKind<IReadOnlyList<AllowedTarget>>
{
    /// <inheritdoc/>
    public override string Description => "one or more IPv4 addresses or subnets with a port, such as \"192.168.1.5:8000\" or \"192.168.1.0/24:53\"";

    /// <inheritdoc/>
    public override IReadOnlyList<AllowedTarget>? Read(TomlValue value, Report report)
    {
        var targets = new List<AllowedTarget>();
        foreach (var word in TextList.Of(value) ?? [""])
        {
            var colon = word.LastIndexOf(':');
            if (colon < 0 || !Ipv4Subnet.TryParse(word[..colon], out var addresses)
                || !int.TryParse(word[(colon + 1)..], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var port) || port is 0 or > 65_535)
                return Refuse(value, report);
            targets.Add(new AllowedTarget(addresses, port));
        }
        return targets.Count == 0 ? Refuse(value, report) : [.. targets.Distinct()];
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<AllowedTarget> value) => TextList.Write(value.Select(static target => target.ToString()));
}

/// <summary>Several texts: an array, or one text with commas as in a flag.</summary>
internal static class TextList
{
    /// <summary>The texts; null when it is something else.</summary>
    public static IReadOnlyList<string>? Of(TomlValue value) => value switch
    {
        TomlString text => text.Value.Split(',', StringSplitOptions.TrimEntries),
        TomlArray array when array.All(static item => item is TomlString) => [.. array.Select(static item => ((TomlString)item).Value)],
        _ => null,
    };

    /// <summary>An array of texts.</summary>
    public static TomlArray Write(IEnumerable<string> texts)
    {
        var array = new TomlArray();
        foreach (var text in texts) array.Add(new TomlString(text));
        return array;
    }
}
