namespace Stint.Checks;

/// <summary>Firecracker and its jailer, which distributions do not have as a rule.</summary>
internal sealed class FirecrackerCheck : ICheck
{
    /// <inheritdoc/>
    public async Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        if ((scope.Firecracker ?? Tool.Find("firecracker")) is not { } firecracker)
        {
            return Result(CheckStatus.Degraded, "Firecracker is not installed, so [vm] functions of the type firecracker do not run.",
                "Take it from https://github.com/firecracker-microvm/firecracker/releases and put it on PATH, or name it with FIRECRACKER_EXE");
        }
        var asked = await Tool.RunAsync(scope, firecracker, ["--version"], cancellationToken);
        if (!asked.Succeeded) return Result(CheckStatus.Missing, $"{firecracker} does not run: {asked.Complaint}", "Take the one for this processor.");
        return Result(CheckStatus.Fine, $"{asked.Output.Split('\n')[0]}; {(Tool.Find("jailer") is null ? "no jailer, which only functions with `jailer = true` need" : "with its jailer")}.", null);
    }

    private static CheckResult Result(CheckStatus status, string found, string? cure) => new("firecracker", status, found, cure, Concern.Comfort);
}
