using Stint.Hosting;
using Stint.Invocations;

namespace Stint.Dialects.OpenFaas;

/// <summary>
/// The early gateway's rule for Alertmanager's webhook: firing makes one instance five, then five more each time up to the limit; resolved makes it the minimum. A function with the label
/// <c>com.openfaas.scale.factor</c> has today's rule: each time so many percent of what it may have.
/// </summary>
internal sealed class FaasAlertRule(Platform platform)
{
    private const int Step = 5, Limit = 20;

    /// <summary>Scales the functions that the alerts name in their label <c>function_name</c>.</summary>
    /// <returns>Names of functions that do not exist.</returns>
    public IReadOnlyList<string> Apply(FaasAlerts alerts)
    {
        var unknown = new List<string>();
        foreach (var alert in alerts.Alerts ?? [])
        {
            if (alert.Labels?.GetValueOrDefault("function_name") is not { Length: > 0 } text) continue;
            if (FaasNames.TryParse(text, null, out var name) && Scale(name, alert.Status ?? alerts.Status)) continue;
            unknown.Add(FunctionName.TryParse(text, out _) ? text : "of that name");
        }
        return unknown;
    }

    /// <summary>How many instances there are to be after an alert fired.</summary>
    /// <param name="current">How many there are to be now.</param>
    /// <param name="most">How many the function may have.</param>
    /// <param name="factor">The label <c>com.openfaas.scale.factor</c>, percent of <paramref name="most"/>; 0 = alerts change nothing; null = the early rule.</param>
    public static int Next(int current, int most, int? factor = null) => factor is { } percent
        ? Math.Max(current, Math.Min(most, current + (most * percent + 99) / 100))
        : Math.Max(current, Math.Min(current <= 1 ? Step : current + Step, Math.Min(Limit, most)));

    private bool Scale(FunctionName name, string? status)
    {
        if (platform.Router.Find(name) is not { } pool || !platform.Registry.Snapshot.Functions.TryGetValue(name, out var function) || function.Serving is not { } serving) return false;
        if (status == "firing") pool.Want(Next(pool.Minimum, serving.Spec.MaxInstances, FaasScalingLabels.Factor(serving.Spec.Labels)));
        else if (status == "resolved") pool.Want(null);
        return true;
    }
}
