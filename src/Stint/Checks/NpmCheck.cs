namespace Stint.Checks;

/// <summary>npm installs the dependencies of a nodejs function; functions without any do not need it.</summary>
internal sealed class NpmCheck : ICheck
{
    /// <inheritdoc/>
    public async Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        if (Interpreter.Find(null, "npm") is not { } path)
            return Result(CheckStatus.Degraded, "not installed: nodejs functions with dependencies cannot be built.", Packages.Install("npm"));
        var told = await Tool.RunAsync(scope, path, ["--version"], cancellationToken);
        return told.Succeeded ? Result(CheckStatus.Fine, $"{told.Output}, {path}", null) : Result(CheckStatus.Degraded, $"{path} does not run: {told.Complaint}", Packages.Install("npm"));
    }

    private static CheckResult Result(CheckStatus status, string found, string? cure) => new("npm", status, found, cure, Concern.Comfort);
}
