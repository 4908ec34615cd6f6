using System.Net;
using System.Net.Sockets;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>IPv4 networks: an array of texts, or one text with commas.</summary>
internal sealed class NetworkListKind : ValueKind<IReadOnlyList<IPNetwork>>
{
    /// <summary>The smallest network that has room for a function of one instance.</summary>
    private const int LongestPrefix = 28;

    /// <inheritdoc/>
    public override string Description => $"one or more IPv4 networks such as \"10.101.0.0/16\", each of /8 to /{LongestPrefix}";

    /// <inheritdoc/>
    public override IReadOnlyList<IPNetwork>? Read(TomlValue value, Report report)
    {
        IEnumerable<TomlValue> items = value is TomlArray array ? array : [value];
        var networks = new List<IPNetwork>();
        foreach (var item in items)
        {
            if (item is not TomlString text) return Refuse(value, report);
            foreach (var word in text.Value.Split(',', StringSplitOptions.TrimEntries))
            {
                // .NET takes 10.1/16 for 10.0.0.1/16; people who write that mean something else.
                if (!IPNetwork.TryParse(word, out var network) || network.BaseAddress.AddressFamily != AddressFamily.InterNetwork || word.AsSpan().Count('.') != 3 || network.PrefixLength is < 8 or > LongestPrefix)
                    return Refuse(value, report);
                networks.Add(network);
            }
        }
        return networks.Count == 0 ? Refuse(value, report) : [.. networks.Distinct()];
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<IPNetwork> value)
    {
        var array = new TomlArray();
        foreach (var network in value) array.Add(new TomlString(network.ToString()));
        return array;
    }
}
