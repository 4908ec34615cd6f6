namespace Stint.Checks;

/// <summary>The interpreter of nodejs functions.</summary>
internal sealed class NodeJsCheck : ICheck
{
    // The oldest Node.js that the runtime is tested with; Debian 12 has it.
    private static readonly Version Oldest = new(18, 0);

    /// <inheritdoc/>
    public async Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        if (Interpreter.Find(scope.NodeJs, "node") is not { } path)
            return Result(CheckStatus.Missing, scope.NodeJs is null ? "not installed." : $"{scope.NodeJs} is no program.", Packages.Install("nodejs"));
        var told = await Tool.RunAsync(scope, path, ["--version"], cancellationToken);
        if (!told.Succeeded || Interpreter.ParseVersion(told.Output) is not { } version) return Result(CheckStatus.Missing, $"{path} does not run: {told.Complaint}", Packages.Install("nodejs"));
        if (version < Oldest) return Result(CheckStatus.Missing, $"{path} is {version}; {Oldest} is the oldest that works.", "Install a newer one and name it: stint up --nodejs PATH");
        return Interpreter.IsVisibleInSandbox(path)
            ? Result(CheckStatus.Fine, $"{version}, {path}", null)
            : Result(CheckStatus.Missing, $"{version}, {path}: in a home, which sandboxes do not see.", Packages.Install("nodejs"));
    }

    private static CheckResult Result(CheckStatus status, string found, string? cure) => new("nodejs", status, found, cure, Concern.NodeJs);
}
