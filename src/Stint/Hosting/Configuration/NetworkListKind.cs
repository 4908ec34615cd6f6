using System.Net;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>Networks and single addresses: an array of texts, or one text with commas; an empty one is none.</summary>
internal sealed class NetworkListKind : ValueKind<IReadOnlyList<IPNetwork>>
{
    /// <inheritdoc/>
    public override string Description => "IP addresses or networks (`192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`), in an array or with commas";

    /// <inheritdoc/>
    public override IReadOnlyList<IPNetwork>? Read(TomlValue value, Report report)
    {
        IEnumerable<TomlValue> items = value is TomlArray array ? array : [value];
        var networks = new List<IPNetwork>();
        foreach (var item in items)
        {
            if (item is not TomlString text) return Refuse(value, report);
            foreach (var word in text.Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                if (!TryParse(word, out var network)) return Refuse(value, report);
                networks.Add(network);
            }
        }
        return networks;
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<IPNetwork> value)
    {
        var array = new TomlArray();
        foreach (var network in value) array.Add(new TomlString(network.ToString()));
        return array;
    }

    private static bool TryParse(string word, out IPNetwork network)
    {
        if (word.Contains('/', StringComparison.Ordinal)) return IPNetwork.TryParse(word, out network);
        var isAddress = AddressListKind.TryParse(word, out var address);
        network = isAddress ? new IPNetwork(address, address.GetAddressBytes().Length * 8) : default;
        return isAddress;
    }
}
