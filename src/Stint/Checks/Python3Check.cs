namespace Stint.Checks;

/// <summary>The interpreter of python3 functions; the supervisor of binary ones runs on it too.</summary>
internal sealed class Python3Check : ICheck
{
    // The oldest Python that the runtime is tested with; Debian 11 has it.
    private static readonly Version Oldest = new(3, 9);

    /// <inheritdoc/>
    public async Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        if (Interpreter.Find(scope.Python3, "python3") is not { } path)
            return Result(CheckStatus.Missing, scope.Python3 is null ? "not installed." : $"{scope.Python3} is no program.", Packages.Install("python3"));
        var told = await Tool.RunAsync(scope, path, ["--version"], cancellationToken);
        if (!told.Succeeded || Interpreter.ParseVersion(told.Output) is not { } version) return Result(CheckStatus.Missing, $"{path} does not run: {told.Complaint}", Packages.Install("python3"));
        if (version < Oldest) return Result(CheckStatus.Missing, $"{path} is {version}; {Oldest} is the oldest that works.", "Install a newer one and name it: stint up --python3 PATH");
        return Interpreter.IsVisibleInSandbox(path)
            ? Result(CheckStatus.Fine, $"{version}, {path}", null)
            : Result(CheckStatus.Missing, $"{version}, {path}: in a home, which sandboxes do not see.", Packages.Install("python3"));
    }

    private static CheckResult Result(CheckStatus status, string found, string? cure) => new("python3", status, found, cure, Concern.Python3);
}
