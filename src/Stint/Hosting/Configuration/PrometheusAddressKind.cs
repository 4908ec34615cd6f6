using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;
using Stint.Scheduling.Metrics;

namespace Stint.Hosting.Configuration;

/// <summary>The address of a Prometheus server.</summary>
internal sealed class PrometheusAddressKind : ValueKind<Uri>
{
    /// <inheritdoc/>
    public override string Description => "a host, HOST:PORT, or a URL without user, query and fragment";

    /// <inheritdoc/>
    public override Uri? Read(TomlValue value, Report report) => value is TomlString text && PrometheusMetrics.ReadAddress(text.Value) is { } address ? address : Refuse(value, report);

    /// <inheritdoc/>
    public override TomlValue Write(Uri value) => new TomlString(value.ToString());
}
