using System.Globalization;
using Stint.Functions;
using Stint.Functions.Deployments;

namespace Stint.Dialects.OpenFaas;

/// <summary>The labels <c>com.openfaas.scale.…</c> of a function (contract openfaas.md).</summary>
internal sealed record FaasScalingLabels
{
    private const string Prefix = "com.openfaas.scale.";

    /// <summary><c>min</c>: instances that are always there.</summary>
    public int Min { get; private init; } = 1;

    /// <summary><c>max</c>: never more.</summary>
    public int Max { get; private init; } = 20;

    /// <summary><c>zero</c>: none is kept when nobody calls.</summary>
    public bool ToZero { get; private init; }

    /// <summary><c>zero-duration</c>: after so long without a call.</summary>
    public TimeSpan ZeroDuration { get; private init; } = TimeSpan.FromMinutes(15);

    /// <summary><c>type</c>: what the load is measured by; without it instances follow calls that wait.</summary>
    public ScalingMeasure Type { get; private init; }

    /// <summary><c>target</c>: the load that one instance is to carry.</summary>
    public double Target { get; private init; } = 50;

    /// <summary><c>target-proportion</c>: the part of it that is planned with.</summary>
    public double Proportion { get; private init; } = 0.9;

    /// <summary>Reads them; what is not there has its default.</summary>
    /// <exception cref="DeploymentException">One cannot be understood.</exception>
    public static FaasScalingLabels Read(IReadOnlyDictionary<string, string> labels)
    {
        var read = new FaasScalingLabels();
        if (Find("min") is { } min) read = read with { Min = Number(min, "min", 0) };
        if (Find("max") is { } max) read = read with { Max = Number(max, "max", 1) };
        if (Find("zero") is { } zero) read = read with { ToZero = zero switch { "true" or "1" => true, "false" or "0" => false, _ => throw Bad("zero", "true or false", zero) } };
        if (Find("zero-duration") is { } duration)
            read = read with { ZeroDuration = GoDuration.TryParse(duration, out var time) && time > TimeSpan.Zero && time < TimeSpan.FromDays(30) ? time : throw Bad("zero-duration", "a duration such as 15m", duration) };
        if (Find("type") is { } type)
            read = read with { Type = type switch { "rps" => ScalingMeasure.Rps, "capacity" => ScalingMeasure.Capacity, "cpu" => ScalingMeasure.Cpu, _ => throw Bad("type", "rps, capacity or cpu", type) } };
        if (Find("target") is { } target) read = read with { Target = Share(target, "target", 0.001, 1_000_000) };
        if (Find("target-proportion") is { } proportion) read = read with { Proportion = Share(proportion, "target-proportion", 0.01, 1) };
        if (Find("factor") is { } factor) _ = Percent(factor) ?? throw Bad("factor", "a percentage from 0 to 100", factor);
        if (read.Min > read.Max) throw FaasFunction.Bad($"{Prefix}min ({read.Min}) is more than {Prefix}max ({read.Max}); raise the one or lower the other");
        return read;

        string? Find(string name) => labels.TryGetValue(Prefix + name, out var text) && text.Length > 0 ? text : null;
    }

    /// <summary><c>factor</c>: how many percent of the most instances an alert adds. It is no key of function.toml, since only alerts ask for it; the label itself is.</summary>
    /// <returns>Null when there is none, or none that can be understood.</returns>
    public static int? Factor(IReadOnlyDictionary<string, string> labels) => labels.TryGetValue(Prefix + "factor", out var text) ? Percent(text) : null;

    private static int? Percent(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= 100 ? number : null;

    private static int Number(string text, string name, int least) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= 1000 ? number : throw Bad(name, $"an integer from {least} to 1000", text);

    private static double Share(string text, string name, double least, double most) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number : throw Bad(name, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"), text);

    private static DeploymentException Bad(string name, string kind, string text) => FaasFunction.Bad($"the label {Prefix}{name} must be {kind}, not '{text}'");
}
