using Stint.Hosting;
using Stint.Invocations;

namespace Stint.Dialects.OpenFaas;

/// <summary>The early gateway's rule for Alertmanager's webhook: firing makes one instance five, then five more each time up to the limit; resolved makes it the minimum.</summary>
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
    public static int Next(int current, int most) => Math.Max(current, Math.Min(current <= 1 ? Step : current + Step, Math.Min(Limit, most)));

    private bool Scale(FunctionName name, string? status)
    {
        if (platform.Router.Find(name) is not { } pool || !platform.Registry.Snapshot.Functions.TryGetValue(name, out var function) || function.Serving is not { } serving) return false;
        if (status == "firing") pool.Want(Next(pool.Minimum, serving.Spec.MaxInstances));
        else if (status == "resolved") pool.Want(null);
        return true;
    }
}
