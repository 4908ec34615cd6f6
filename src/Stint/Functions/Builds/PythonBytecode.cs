using Stint.Functions.Bundles;
using Stint.Functions.Deployments;

namespace Stint.Functions.Builds;

/// <summary>Byte-compiles Python files ahead of the starts that read them: reading what is compiled takes a small part of the time.</summary>
internal static class PythonBytecode
{
    // Beside each source as the interpreter's own import looks for it, and only if it is not there yet or $force. Hash-based and unchecked: true for a copy or a link of the source, whatever its
    // time of change, as the code is never altered in place. What does not compile stays as it is: whoever imports it is told.
    // Modules that the interpreter has loaded anyway are all that it uses, for importing py_compile or os would take longer than the work.
    private const string Script = """
        import _imp, posix, sys
        import _frozen_importlib_external as loader

        def compile_all(folder, force):
            for entry in list(posix.scandir(folder)):
                if entry.is_symlink():
                    continue
                if entry.is_dir():
                    compile_all(entry.path, force)
                elif entry.name.endswith(".py"):
                    try:
                        compile_one(entry.path, loader.cache_from_source(entry.path), force)
                    except Exception:
                        pass

        def compile_one(path, target, force):
            if not force:
                try:
                    posix.stat(target)
                    return
                except OSError:
                    pass
            with open(path, "rb") as file:
                source = file.read()
            code = compile(source, path, "exec", dont_inherit=True)
            data = loader._code_to_hash_pyc(code, _imp.source_hash(loader._RAW_MAGIC_NUMBER, source), False)
            try:
                posix.mkdir(target[:target.rindex("/")], 0o755)
            except FileExistsError:
                pass
            fresh = f"{target}.{posix.getpid()}"
            with open(fresh, "wb") as file:
                file.write(data)
            posix.chmod(fresh, 0o644)
            posix.replace(fresh, target)

        compile_all(sys.argv[1], sys.argv[2] == "force")
        """;

    // Below this, in bytes of source, compiling at each start takes less than a millisecond, and a deployment need not wait 20 for a sandbox (measured: 0.14 ms for each KiB, Python 3.11).
    private const int WorthIt = 6 * 1024;

    /// <summary>Compiles a function's own files in the folder of its code, in the build sandbox; nothing happens where that gains nothing or cannot be done.</summary>
    /// <param name="sandbox">Others' code is not run, but read by a compiler.</param>
    /// <param name="tools">The interpreters.</param>
    /// <param name="folder">The code; the daemon's own copy of it.</param>
    /// <param name="options">Limits.</param>
    /// <param name="cancellationToken">Kills the compiler.</param>
    /// <exception cref="BuildFailedException">A limit was reached.</exception>
    public static async Task CompileAsync(IBuildSandbox sandbox, IToolchain tools, string folder, BuildOptions options, CancellationToken cancellationToken)
    {
        var sources = CodeTree.Walk(folder).Where(static entry => entry.Stat.IsFile && entry.Path.EndsWith(".py", StringComparison.Ordinal)).Sum(static entry => entry.Stat.Size);
        if (sources < WorthIt) return;
        BuildEnd end;
        try
        {
            end = (await sandbox.RunAsync(new BuildCommand
            {
                Arguments = Command(tools.Python3, sandbox.SeenAs(folder), BytecodeScope.All), WorkFolder = folder, StartIn = "", Environment = new Dictionary<string, string> { ["LANG"] = "C.UTF-8" },
                TimeLimit = options.TimeLimit, SizeLimit = options.SizeLimit, Network = NetworkAccess.None, Runtime = Runtime.Python3,
            }, static _ => { }, cancellationToken)).End;
        }
        catch (DeploymentException)
        {
            return; // no interpreter, or no sandbox: whoever starts the function says so
        }
        if (end == BuildEnd.TimedOut) throw new BuildFailedException($"compiling the function's Python files took longer than {options.TimeLimit.TotalSeconds:0} s (setting build-timeout)");
        if (end == BuildEnd.TooLarge) throw new BuildFailedException($"the function's Python files, compiled, have more than {options.SizeLimit >> 20} MiB");
        // What the compiler left is as untrusted as an upload.
        CodeTree.Check(folder, CodeTree.Walk(folder));
    }

    /// <summary>The command for all Python files below a folder, as the process sees it. Its exit code and what it prints mean nothing.</summary>
    /// <param name="python3">The very interpreter that will run them.</param>
    /// <param name="folder">Where they are.</param>
    /// <param name="which">Whether what somebody else compiled is believed.</param>
    public static string[] Command(string python3, string folder, BytecodeScope which) => [python3, "-I", "-S", "-B", "-c", Script, folder, which == BytecodeScope.All ? "force" : "missing"];
}

/// <summary>Which files are compiled.</summary>
internal enum BytecodeScope
{
    /// <summary>All; bytecode that is there already is replaced.</summary>
    All,

    /// <summary>Those without bytecode of this interpreter's version.</summary>
    Missing,
}
