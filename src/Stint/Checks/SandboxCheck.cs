using System.Globalization;
using Stint.Backends.Processes.Sandboxing;

namespace Stint.Checks;

/// <summary>
/// Makes a real sandbox with bubblewrap, as the daemon does for each instance: as root it first becomes a user that owns nothing, since bubblewrap run by root proves little.
/// <code>setpriv --reuid 2000000001 --regid 2000000001 --clear-groups bwrap --unshare-all --die-with-parent --ro-bind /usr /usr … true</code>
/// </summary>
internal sealed class SandboxCheck : ICheck
{
    /// <summary>One of the users that the daemon gives to instances.</summary>
    private static readonly string SandboxUser = (SandboxUsers.First + 1).ToString(CultureInfo.InvariantCulture);

    private static readonly string[] Arguments =
    [
        "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/usr", "/usr", "--ro-bind-try", "/bin", "/bin", "--ro-bind-try", "/lib", "/lib",
        "--ro-bind-try", "/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "true",
    ];

    /// <inheritdoc/>
    public async Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        if (Tool.Find("bwrap") is not { } bwrap) return Result(CheckStatus.Missing, "bubblewrap (bwrap) is not installed.", Packages.Install("bubblewrap"));
        var version = (await Tool.RunAsync(scope, bwrap, ["--version"], cancellationToken)).Output;
        ToolResult made;
        if (!Environment.IsPrivilegedProcess) made = await Tool.RunAsync(scope, bwrap, Arguments, cancellationToken);
        else if (Tool.Find("setpriv") is { } setpriv)
            made = await Tool.RunAsync(scope, setpriv, ["--reuid", SandboxUser, "--regid", SandboxUser, "--clear-groups", bwrap, .. Arguments], cancellationToken);
        else return Result(CheckStatus.Missing, "bubblewrap is there, setpriv is not, so a sandbox could not be tried.", Packages.Install("util-linux", alpine: "setpriv"));
        return made.Succeeded
            ? Result(CheckStatus.Fine, $"{version} makes a sandbox.", null)
            : Result(CheckStatus.Missing, $"{version} cannot make a sandbox: {made.Complaint}", Cure(made.Complaint));
    }

    private static string Cure(string complaint)
    {
        if (complaint.Contains("proc", StringComparison.Ordinal) && complaint.Contains("mount", StringComparison.OrdinalIgnoreCase))
            return "This looks like a container that masks /proc: start it with --security-opt systempaths=unconfined, or run the daemon outside of it.";
        return "Let unprivileged users make namespaces (see the next line); in a container: --security-opt seccomp=unconfined --security-opt apparmor=unconfined. Only for code you trust: stint up --isolation none";
    }

    private static CheckResult Result(CheckStatus status, string found, string? cure) => new("sandbox", status, found, cure, Concern.Everything);
}
