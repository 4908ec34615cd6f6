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
