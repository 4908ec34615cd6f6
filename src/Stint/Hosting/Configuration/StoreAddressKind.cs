using Stint.Cluster.Store;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>The address of a PostgreSQL database.</summary>
internal sealed class StoreAddressKind : ValueKind<StoreAddress>
{
    /// <inheritdoc/>
    public override string Description => "an address such as postgres://USER@HOST/DATABASE";

    /// <inheritdoc/>
    public override StoreAddress? Read(TomlValue value, Report report)
    {
        if (value is not TomlString text) return Refuse(value, report);
        try
        {
            return StoreAddress.Parse(text.Value);
        }
        catch (FormatException e)
        {
            // The address itself is not repeated: it may hold a password.
            report(value.Position, e.Message);
            return null;
        }
    }

    /// <inheritdoc/>
    public override TomlValue Write(StoreAddress value) => new TomlString(value.Shown);
}
