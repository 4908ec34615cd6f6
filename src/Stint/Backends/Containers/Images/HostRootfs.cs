using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;

namespace Stint.Backends.Containers.Images;

/// <summary>
/// Gathers what a runtime needs out of this host's own files: interpreter, standard library, package tool, a shell, the shared libraries of all of them, certificates and time zones. So a container of the runtime
/// is as good as the process sandbox, which shows the host's /usr, and needs no registry.
/// </summary>
internal static class HostRootfs
{
    // What a shell script may expect (POSIX, and what Debian has besides); functions of other languages start such programs, too. What this host lacks is passed over.
    private static readonly string[] Tools =
    [
        "sh", "env", "bash", "[", "awk", "base64", "basename", "bc", "bzip2", "cat", "chmod", "cmp", "comm", "cp", "curl", "cut", "date", "dd", "df", "diff", "dirname", "du", "echo", "egrep", "expand", "expr", "factor",
        "false", "fgrep", "find", "flock", "fold", "gawk", "getopt", "grep", "gunzip", "gzip", "head", "hexdump", "hostname", "iconv", "id", "install", "join", "jq", "kill", "ln", "logger", "ls", "mawk",
        "md5sum", "mkdir", "mkfifo", "mktemp", "mv", "nice", "nl", "nohup", "nproc", "numfmt", "od", "openssl", "paste", "pgrep", "pkill", "printenv", "printf", "ps", "pwd", "readlink", "realpath", "rev", "rm",
        "rmdir", "sed", "seq", "setsid", "sha1sum", "sha256sum", "sha512sum", "shuf", "sleep", "sort", "split", "stat", "stdbuf", "stty", "sync", "tac", "tail", "tar", "tee", "test", "timeout", "touch", "tr", "true",
        "truncate", "tsort", "tty", "uname", "unexpand", "uniq", "unlink", "unzip", "uptime", "uuidgen", "wc", "which", "who", "whoami", "xargs", "xxd", "xz", "yes", "zcat", "zip", "zstd",
    ];

    // Tests of the standard library, and what draws windows.
    private static readonly string[] NotPython = ["test", "tests", "idlelib", "tkinter", "turtledemo"];

    // pip and what it builds with. Other packages of the host are none of a function's business.
    private static readonly string[] PackageTools = ["pip", "setuptools", "pkg_resources", "wheel", "_distutils_hack", "distutils-precedence.pth"];

    /// <summary>Gathers.</summary>
    /// <param name="runtime">Which runtime.</param>
    /// <param name="interpreter">Absolute path of its interpreter on this host.</param>
    /// <param name="scratch">A folder to write a few small files into; they must stay until the archive has been written.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">A file cannot be read, or a program is missing.</exception>
    public static Task<Rootfs> GatherAsync(Runtime runtime, string interpreter, string scratch, CancellationToken cancellationToken) =>
        GatherAsync(runtime, interpreter, scratch, withPackageTools: true, python: null, cancellationToken);

    /// <summary>Gathers, with a choice of what there is besides.</summary>
    /// <param name="runtime">Which runtime.</param>
    /// <param name="interpreter">Absolute path of its interpreter on this host.</param>
    /// <param name="scratch">As above.</param>
    /// <param name="withPackageTools">Whether functions are built in it, so that it needs pip or npm.</param>
    /// <param name="python">Absolute path of a Python that is there whatever the runtime; null = none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">A file cannot be read, or a program is missing.</exception>
    public static async Task<Rootfs> GatherAsync(Runtime runtime, string interpreter, string scratch, bool withPackageTools, string? python, CancellationToken cancellationToken)
    {
        var rootfs = new Rootfs();
        AddCommon(rootfs, scratch);
        await AddInterpreterAsync(rootfs, runtime, interpreter, withPackageTools, cancellationToken).ConfigureAwait(false);
        if (python is not null && python != interpreter)
        {
            rootfs.AddHost(python);
            await AddPythonAsync(rootfs, python, withPackages: false, cancellationToken).ConfigureAwait(false);
        }
        AddTools(rootfs);
        foreach (var library in await SharedLibraries.OfAsync(rootfs.Files, cancellationToken).ConfigureAwait(false)) rootfs.AddHost(library);
        return rootfs;
    }

    /// <summary>Gathers what several runtimes need, and what somebody adds to that.</summary>
    /// <param name="interpreters">The runtimes with the absolute paths of their interpreters.</param>
    /// <param name="add">Adds the rest; shared libraries of it come by themselves.</param>
    /// <param name="scratch">As above.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">A file cannot be read, or a program is missing.</exception>
    public static async Task<Rootfs> GatherAsync(IEnumerable<(Runtime Runtime, string Path)> interpreters, Func<Rootfs, Task> add, string scratch, CancellationToken cancellationToken)
    {
        var rootfs = new Rootfs();
        AddCommon(rootfs, scratch);
        foreach (var (runtime, path) in interpreters) await AddInterpreterAsync(rootfs, runtime, path, withPackageTools: true, cancellationToken).ConfigureAwait(false);
        AddTools(rootfs);
        await add(rootfs).ConfigureAwait(false);
        foreach (var library in await SharedLibraries.OfAsync(rootfs.Files, cancellationToken).ConfigureAwait(false)) rootfs.AddHost(library);
        return rootfs;
    }

    private static async Task AddInterpreterAsync(Rootfs rootfs, Runtime runtime, string interpreter, bool withPackageTools, CancellationToken cancellationToken)
    {
        rootfs.AddHost(interpreter);
        // In the image it is found by its name, wherever it lies.
        var name = runtime == Runtime.NodeJs ? "node" : "python3";
        if (!rootfs.Has($"/usr/bin/{name}")) rootfs.AddLink($"/usr/local/bin/{name}", interpreter);
        if (HostPrograms.InstallationOf(interpreter) is { } installation) rootfs.AddHostTree(installation, NotPython);
        if (runtime != Runtime.NodeJs) await AddPythonAsync(rootfs, interpreter, withPackages: withPackageTools && runtime == Runtime.Python3, cancellationToken).ConfigureAwait(false);
        else if (withPackageTools) AddNpm(rootfs, interpreter);
    }

    private static void AddCommon(Rootfs rootfs, string scratch)
    {
        rootfs.AddFolder("/tmp", (UnixFileMode)0b001_111_111_111);
        foreach (var folder in (string[])["/proc", "/dev", "/sys", "/run", "/root", "/var/tmp"]) rootfs.AddFolder(folder);
        foreach (var folder in (string[])["/bin", "/sbin", "/lib", "/lib64"]) rootfs.AddHost(folder);
        var etc = Path.Combine(scratch, "etc");
        SandboxEtc.Write(etc);
        // A sandbox has no root; a build in a container may be run as that.
        File.WriteAllText(Path.Combine(etc, "passwd"), "root:x:0:0:root:/root:/bin/sh\n" + File.ReadAllText(Path.Combine(etc, "passwd")));
        File.WriteAllText(Path.Combine(etc, "group"), "root:x:0:\n" + File.ReadAllText(Path.Combine(etc, "group")));
        // Debian's links from names such as awk to one of several programs come with the programs that are wanted; all of them would bring an editor and three compilers.
        rootfs.AddTree("/etc", etc, "alternatives");
        rootfs.AddHostTree("/usr/share/zoneinfo", "right", "posix");
        rootfs.AddHostTree("/usr/lib/locale/C.utf8");
    }

    private static async Task AddPythonAsync(Rootfs rootfs, string python, bool withPackages, CancellationToken cancellationToken)
    {
        const string folders = "import sysconfig; print(sysconfig.get_path('stdlib')); print(sysconfig.get_path('platstdlib'))";
        foreach (var folder in await LinesAsync(["-I", "-S", "-c", folders]).ConfigureAwait(false)) rootfs.AddHostTree(folder, [.. NotPython, "dist-packages", "site-packages"]);
        if (!withPackages) return;
        const string packages = "import importlib.util as u, os; s = u.find_spec('pip'); print(os.path.dirname(os.path.dirname(s.origin)) if s else '')";
        foreach (var folder in await LinesAsync(["-c", packages]).ConfigureAwait(false))
        {
            foreach (var entry in Directory.EnumerateFileSystemEntries(folder))
            {
                var name = Path.GetFileName(entry);
                if (!PackageTools.Any(tool => name == tool || name.StartsWith(tool + "-", StringComparison.Ordinal))) continue;
                if (!rootfs.AddHostTree(entry)) rootfs.AddHost(entry);
            }
        }

        async Task<IEnumerable<string>> LinesAsync(string[] arguments) =>
            (await HostCommand.OutputAsync(python, arguments, cancellationToken).ConfigureAwait(false)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Distinct().Where(Directory.Exists);
    }

    private static void AddNpm(Rootfs rootfs, string node)
    {
        var beside = Path.Combine(Path.GetDirectoryName(node)!, "npm");
        if ((File.Exists(beside) ? beside : HostPrograms.Find("npm")) is not { } npm) return;
        rootfs.AddHost(npm);
        if (!rootfs.Has("/usr/bin/npm")) rootfs.AddLink("/usr/local/bin/npm", npm);
        // This host's registry and certificates (npm's global configuration), unless they are a secret of somebody's: an image can be read by every user of the engine.
        foreach (var settings in (string[])["/usr/etc/npmrc", "/usr/local/etc/npmrc"])
            if (File.Exists(settings) && File.GetUnixFileMode(settings).HasFlag(UnixFileMode.OtherRead)) rootfs.AddHost(settings);
        // …/node_modules/npm/bin/npm-cli.js as Node.js brings it; /usr/share/nodejs/npm/bin/npm-cli.js with its packages beside it as Debian does.
        var program = File.ResolveLinkTarget(npm, returnFinalTarget: true)?.FullName ?? npm;
        if (Path.GetDirectoryName(Path.GetDirectoryName(program)) is not { } package || !File.Exists(Path.Combine(package, "package.json"))) return;
        rootfs.AddHostTree(Path.GetFileName(Path.GetDirectoryName(package)) == "nodejs" ? Path.GetDirectoryName(package)! : package);
        rootfs.AddHostTree("/usr/share/node_modules");
    }

    private static void AddTools(Rootfs rootfs)
    {
        foreach (var name in Tools)
            if (HostPrograms.Find(name) is { } program && (program.StartsWith("/usr/", StringComparison.Ordinal) || program.StartsWith("/bin/", StringComparison.Ordinal))) rootfs.AddHost(program);
    }
}
