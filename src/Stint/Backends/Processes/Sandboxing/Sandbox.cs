// Turns a SandboxPlan into the command that runs it. The chain, each program replacing the one before it (exec), so that one process number stays:
//
//   sh        joins the control groups, sets the rlimits, offers itself first to the kernel's out-of-memory killer
//   setpriv   only when the daemon is root: becomes the sandbox's own unprivileged user, so that nothing below has any right on the host
//   bwrap     makes the namespaces and the view of the file system, drops what is left of privileges, waits at the gate if there is one, installs the system call filter, dies with the daemon
//   runtime   python3, node, …
//
// As a shell line: sh -c 'echo $$ >…/cgroup.procs; ulimit …; exec "$@"' sh setpriv --reuid N … bwrap --unshare-all … python3 /run/runtimes/python3/runtime.py
using System.Globalization;
using System.Text;
using Stint.Backends.Processes.Spawning;
using Stint.Functions;

namespace Stint.Backends.Processes.Sandboxing;

/// <summary>Makes sandbox commands for this host. Immutable once prepared.</summary>
internal sealed class Sandbox
{
    // The view that every sandbox has of the host's programs and libraries. /usr holds programs, no data and no secrets; on a merged-/usr system the others are links into it.
    private static readonly string[] ProgramFolders = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

    private readonly string _bubblewrap;
    private readonly string? _setpriv;
    private readonly string _etc;
    private readonly string _filter;

    private Sandbox(string bubblewrap, string? setpriv, string etc, string filter) =>
        (_bubblewrap, _setpriv, _etc, _filter) = (bubblewrap, setpriv, etc, filter);

    /// <summary>The working folder, file system view and programs are made ready once.</summary>
    /// <param name="folder">A folder of the daemon's state for the filter and the sandboxes' <c>/etc</c>.</param>
    /// <exception cref="IOException">Something is missing; the message says what to install.</exception>
    public static Sandbox Prepare(string folder)
    {
        var bubblewrap = HostPrograms.Find("bwrap") ?? throw new IOException("bubblewrap is not installed, so functions cannot be isolated. Install it: apt-get install bubblewrap");
        string? setpriv = null;
        if (Posix.geteuid() == 0) setpriv = HostPrograms.Find("setpriv") ?? throw new IOException("setpriv is not installed. Install it: apt-get install util-linux");
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, HostPrograms.TraversableFolder);
        var filter = Path.Combine(folder, "seccomp.bpf");
        SeccompFilter.Write(filter + ".new");
        File.Move(filter + ".new", filter, overwrite: true);
        var etc = Path.Combine(folder, "etc");
        SandboxEtc.Write(etc);
        return new Sandbox(bubblewrap, setpriv, etc, filter);
    }

    /// <summary>The command that runs a plan.</summary>
    public SpawnRequest Command(SandboxPlan plan, OutputSink output)
    {
        var arguments = new List<string> { "sh", "-c", Preamble(plan), "sh" };
        if (_setpriv is not null && plan.User is { } user)
        {
            var number = user.ToString(CultureInfo.InvariantCulture);
            arguments.AddRange([_setpriv, "--reuid", number, "--regid", number, .. Groups(plan), "--"]);
        }
        if (plan.Outbound is { } outbound) arguments.AddRange(outbound.Enter);
        arguments.Add(_bubblewrap);
        arguments.AddRange(["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--uid", "1000", "--gid", "1000", "--hostname", "function"]);
        if (plan.Network == NetworkAccess.None) arguments.Add("--unshare-net");
        arguments.AddRange(["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--seccomp", "3"]);
        if (plan.Gate is not null) arguments.AddRange(["--block-fd", SpawnRequest.GateDescriptor.ToString(CultureInfo.InvariantCulture)]);
        AddFileSystem(arguments, plan);
        arguments.AddRange(["--chdir", plan.WorkingFolder, "--clearenv"]);
        foreach (var (name, value) in plan.Environment) arguments.AddRange(["--setenv", name, value]);
        arguments.Add("--");
        arguments.AddRange(plan.Command);
        return new SpawnRequest { Executable = "/bin/sh", Arguments = arguments, Descriptor3 = _filter, Network = plan.Outbound?.Namespace, Output = output, Gate = plan.Gate };
    }

    private static IEnumerable<string> Groups(SandboxPlan plan) =>
        plan.Groups.Count == 0 ? ["--clear-groups"] : ["--groups", string.Join(',', plan.Groups.Select(static group => group.ToString(CultureInfo.InvariantCulture)))];

    private void AddFileSystem(List<string> arguments, SandboxPlan plan)
    {
        arguments.AddRange(["--ro-bind", "/usr", "/usr"]);
        foreach (var folder in ProgramFolders)
        {
            if (new DirectoryInfo(folder) is not { Exists: true } info) continue;
            if (info.LinkTarget is { } target) arguments.AddRange(["--symlink", target, folder]);
            else arguments.AddRange(["--ro-bind", folder, folder]);
        }
        arguments.AddRange(["--ro-bind", _etc, "/etc"]);
        if (plan.Network == NetworkAccess.Host)
            foreach (var file in SandboxEtc.NetworkFiles)
                if (File.Exists(file)) arguments.AddRange(["--ro-bind", file, file]);
        if (plan.Outbound is { } outbound) arguments.AddRange(["--ro-bind", outbound.Resolver, "/etc/resolv.conf"]);
        var size = (plan.TmpMiB * 1024L * 1024L).ToString(CultureInfo.InvariantCulture);
        arguments.AddRange(["--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm"]);
        foreach (var device in plan.Devices) arguments.AddRange(["--dev-bind", device.Host, device.Inside]);
        arguments.AddRange(["--remount-ro", "/dev", "--size", size, "--tmpfs", "/tmp"]);
        foreach (var mount in plan.Mounts) arguments.AddRange([mount.Access == MountAccess.ReadWrite ? "--bind" : "--ro-bind", mount.Host, mount.Inside]);
        arguments.AddRange(["--remount-ro", "/"]);
    }

    /// <summary>The shell lines before the sandbox. Every path in them is ours, and quoted all the same.</summary>
    internal static string Preamble(SandboxPlan plan)
    {
        var script = new StringBuilder();
        foreach (var file in plan.JoinFiles) script.Append(CultureInfo.InvariantCulture, $"echo $$ >{Quote(file)} || exit 125\n");
        script.Append("echo 500 >/proc/self/oom_score_adj\n");
        // Where the daemon was started is nobody's business; the variable would stay readable in /proc/1/environ.
        script.Append("cd /\nunset PWD OLDPWD\n");
        script.Append("ulimit -c 0\nulimit -n 1024\n");
        script.Append(CultureInfo.InvariantCulture, $"ulimit -f {plan.FileMiB * 2048L}\n"); // blocks of 512 bytes (POSIX sh)
        script.Append("exec \"$@\"");
        return script.ToString();
    }

    private static string Quote(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
