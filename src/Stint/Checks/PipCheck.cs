namespace Stint.Checks;

/// <summary>pip installs a function's <c>requirements.txt</c>; functions without one do not need it.</summary>
internal sealed class PipCheck : ICheck
{
    /// <inheritdoc/>
    public async Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        if (Interpreter.Find(scope.Python3, "python3") is not { } python) return Result(CheckStatus.Degraded, "no python3 to have it.", Packages.Install("python3-pip", alpine: "py3-pip", arch: "python-pip"));
        var told = await Tool.RunAsync(scope, python, ["-m", "pip", "--version"], cancellationToken);
        return told.Succeeded
            ? Result(CheckStatus.Fine, Interpreter.ParseVersion(told.Output)?.ToString() ?? told.Output, null)
            : Result(CheckStatus.Degraded, $"{python} has no pip: functions with a requirements.txt cannot be built.", Packages.Install("python3-pip", alpine: "py3-pip", arch: "python-pip"));
    }

    private static CheckResult Result(CheckStatus status, string found, string? cure) => new("pip", status, found, cure, Concern.Comfort);
}
