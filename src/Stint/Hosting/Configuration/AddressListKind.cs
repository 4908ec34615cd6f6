using System.Net;
using System.Net.Sockets;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>Addresses to listen at: an array of texts, one text with commas, or <c>localhost</c> for the loopback of both families.</summary>
internal sealed class AddressListKind : ValueKind<IReadOnlyList<IPAddress>>
{
    /// <inheritdoc/>
    public override string Description => "one or more IP addresses (`::` = all of IPv4 and IPv6, `0.0.0.0` = all of IPv4) or \"localhost\"";

    /// <inheritdoc/>
    public override IReadOnlyList<IPAddress>? Read(TomlValue value, Report report)
    {
        IEnumerable<TomlValue> items = value is TomlArray array ? array : [value];
        var addresses = new List<IPAddress>();
        foreach (var item in items)
        {
            if (item is not TomlString text) return Refuse(value, report);
            foreach (var word in text.Value.Split(',', StringSplitOptions.TrimEntries))
            {
                if (word == "localhost") addresses.AddRange([IPAddress.Loopback, IPAddress.IPv6Loopback]);
                else if (TryParse(word, out var address)) addresses.Add(address);
                else return Refuse(value, report);
            }
        }
        return addresses.Count == 0 ? Refuse(value, report) : [.. addresses.Distinct()];
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<IPAddress> value)
    {
        var array = new TomlArray();
        foreach (var address in value) array.Add(new TomlString(address.ToString()));
        return array;
    }

    /// <summary>.NET takes <c>1</c> for 0.0.0.1 and <c>[::1]:80</c> for an address; people who write that mean something else.</summary>
    public static bool TryParse(string word, out IPAddress address) =>
        IPAddress.TryParse(word, out address!) && !word.Contains('[', StringComparison.Ordinal)
        && (address.AddressFamily == AddressFamily.InterNetworkV6 || word.AsSpan().Count('.') == 3);
}
