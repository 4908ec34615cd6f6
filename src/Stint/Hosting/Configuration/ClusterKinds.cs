using System.Net;
using Stint.Cluster.Nodes;
using Stint.Cluster.Transport;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>Addresses of other machines: an array of texts, or one text with commas; an empty one is none.</summary>
internal sealed class NodeAddressListKind : ValueKind<IReadOnlyList<DnsEndPoint>>
{
    /// <inheritdoc/>
    public override string Description => "one or more addresses `HOST:PORT` (`https://` before it and no port will do), in an array or with commas";

    /// <inheritdoc/>
    public override IReadOnlyList<DnsEndPoint>? Read(TomlValue value, Report report)
    {
        IEnumerable<TomlValue> items = value is TomlArray array ? array : [value];
        var addresses = new List<DnsEndPoint>();
        foreach (var item in items)
        {
            if (item is not TomlString text) return Refuse(value, report);
            foreach (var word in text.Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                if (!NodeAddress.TryParse(word, out var address)) return Refuse(value, report);
                addresses.Add(address);
            }
        }
        return addresses;
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<DnsEndPoint> value)
    {
        var array = new TomlArray();
        foreach (var address in value) array.Add(new TomlString($"{address.Host}:{address.Port}"));
        return array;
    }
}

/// <summary>What an operator says of a machine: <c>NAME=VALUE</c> with commas.</summary>
internal sealed class NodeLabelsKind : ValueKind<Dictionary<string, string>>
{
    /// <inheritdoc/>
    public override string Description => "NAME=VALUE, with commas between several";

    /// <inheritdoc/>
    public override Dictionary<string, string>? Read(TomlValue value, Report report) =>
        value is TomlString text && NodeLabels.Parse(text.Value) is { } labels ? labels : Refuse(value, report);

    /// <inheritdoc/>
    public override TomlValue Write(Dictionary<string, string> value) => new TomlString(string.Join(',', value.Select(static label => $"{label.Key}={label.Value}")));
}
