namespace Stint.Checks;

/// <summary>Reads the kernel's switches for unprivileged user namespaces: why a sandbox that cannot be made cannot be made.</summary>
internal sealed class UserNamespacesCheck : ICheck
{
    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        // user_namespaces(7); the second is a patch of Debian's kernels, the third one of Ubuntu's since 23.10.
        var result = (Read("user/max_user_namespaces"), Read("kernel/unprivileged_userns_clone"), Read("kernel/apparmor_restrict_unprivileged_userns")) switch
        {
            (0, _, _) => Off("user.max_user_namespaces is 0.", "user.max_user_namespaces=15000"),
            (_, 0, _) => Off("kernel.unprivileged_userns_clone is 0.", "kernel.unprivileged_userns_clone=1"),
            (_, _, 1) => Off("kernel.apparmor_restrict_unprivileged_userns is 1.", "kernel.apparmor_restrict_unprivileged_userns=0"),
            (null, _, _) when !File.Exists("/proc/self/ns/user") => new CheckResult("user namespaces", CheckStatus.Missing, "this kernel has none.", "Use a kernel with CONFIG_USER_NS=y.", Concern.Comfort),
            var (limit, _, _) => new CheckResult("user namespaces", CheckStatus.Fine, limit is null ? "allowed." : $"allowed, up to {limit}.", null, Concern.Comfort),
        };
        return Task.FromResult(result);

        // A concern of comfort: whether a sandbox can be made in spite of it, SandboxCheck has tried.
        static CheckResult Off(string found, string setting) => new("user namespaces", CheckStatus.Degraded, found,
            $"{(Environment.IsPrivilegedProcess ? "" : "sudo ")}sysctl -w {setting}  (and a line in /etc/sysctl.d/ to keep it)", Concern.Comfort);
    }

    private static int? Read(string name)
    {
        try
        {
            return int.TryParse(File.ReadAllText("/proc/sys/" + name), out var value) ? value : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // This kernel has no such switch.
            return null;
        }
    }
}
