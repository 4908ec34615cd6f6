namespace Stint.Checks;

/// <summary>As root the daemon starts instances as users that own nothing, through setpriv of util-linux.</summary>
internal sealed class SetprivCheck : ICheck
{
    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken) => Task.FromResult((Environment.IsPrivilegedProcess, Tool.Find("setpriv")) switch
    {
        (false, _) => new CheckResult("setpriv", CheckStatus.Fine, "not needed: the daemon would not be root.", null, Concern.Comfort),
        (true, { } path) => new CheckResult("setpriv", CheckStatus.Fine, path, null, Concern.Everything),
        _ => new CheckResult("setpriv", CheckStatus.Missing, "not installed; as root it is needed to give privileges up.", Packages.Install("util-linux", alpine: "setpriv"), Concern.Everything),
    });
}
