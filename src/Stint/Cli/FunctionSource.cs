using System.Text.Json;
using Stint.Functions.Toml;

namespace Stint.Cli;

/// <summary>What <c>stint deploy DIR</c> found in DIR: the settings to send and the folder of the code.</summary>
/// <param name="Toml">The <c>function.toml</c>, that of the folder or a made one.</param>
/// <param name="CodeFolder">Absolute path; null for a function whose code is elsewhere: in a container's image.</param>
internal sealed record FunctionSource(string Toml, string? CodeFolder)
{
    /// <summary>The table that says how the function runs, and holds limits such as <c>memory</c>.</summary>
    public string Backend { get; private init; } = "process";

    /// <summary>What of the folder is sent, as relative paths; null = everything.</summary>
    public IReadOnlyList<string>? Files { get; private init; }

    /// <summary>Reads a function's folder (<c>function.toml</c> and <c>code/</c>, or a virtual machine's files, or nothing for a container) or a folder of plain code, whose runtime is detected.</summary>
    /// <param name="runtime">The runtime that a flag names; null = the file's, or the detected one.</param>
    /// <remarks>A WebAssembly module alone does as well.</remarks>
    /// <exception cref="CliException">The folder is neither.</exception>
    public static FunctionSource Read(string folder, string? runtime)
    {
        if (IsModule(folder) && File.Exists(folder))
        {
            if (runtime is not null) throw new CliException($"{folder} is a WebAssembly module, which has no {runtime} runtime. Leave --runtime out.", ExitCode.Usage);
            return new FunctionSource("[wasm]\n", Path.GetDirectoryName(folder)!) { Backend = "wasm", Files = [Path.GetFileName(folder)] };
        }
        if (!Directory.Exists(folder)) throw new CliException($"{folder} is no folder, and no .wasm file. Name the folder that holds the function, or its module.");
        var toml = Path.Combine(folder, "function.toml");
        var code = Path.Combine(folder, "code");
        if (File.Exists(toml))
        {
            var text = File.ReadAllText(toml);
            var root = TomlDocument.Parse(text).Root;
            foreach (var (backend, what) in (ReadOnlySpan<(string, string)>)[("container", "a container"), ("vm", "a virtual machine")])
            {
                if (!root.TryGet(backend, out var table)) continue;
                if (runtime is not null) throw new CliException($"{toml} is that of {what}, which has no {runtime} runtime. Leave --runtime out.", ExitCode.Usage);
                // What else is in the folder, such as the image's recipe, is not the daemon's.
                return backend == "vm" ? new FunctionSource(text, folder) { Backend = backend, Files = FilesOf(table.Value, folder) } : new FunctionSource(text, null) { Backend = backend };
            }
            if (root.TryGet("wasm", out _) && runtime is not null) throw new CliException($"{toml} is that of a WebAssembly module, which has no {runtime} runtime. Leave --runtime out.", ExitCode.Usage);
            return Directory.Exists(code)
                ? new FunctionSource(text, code) { Backend = root.TryGet("wasm", out _) ? "wasm" : "process" }
                : throw new CliException($"{folder} has a function.toml, but no folder 'code' beside it. Move the code there, or remove function.toml to deploy the folder as it is.", ExitCode.BadConfiguration);
        }
        var found = runtime ?? Detect(folder) ?? throw new CliException(
            $"{folder} has no function.toml, and no fn.py (python3), package.json or index.js (nodejs) or fn.sh (binary) that would tell what it is. "
            + "Name the folder of the code, say --runtime, or begin with 'stint new'.", ExitCode.BadConfiguration);
        return new FunctionSource($"[process]\nruntime = {TomlEdit.Quote(found)}\n", folder);
    }

    /// <summary>Whether a path names a WebAssembly module.</summary>
    public static bool IsModule(string path) => path.EndsWith(".wasm", StringComparison.Ordinal);

    /// <summary>The folder that <see cref="LocalVmImage"/> has made.</summary>
    public static FunctionSource OfMachine(string folder) => Read(folder, null);

    /// <summary>Whether <c>npm install</c> will make <c>node_modules</c> anew, so that sending it is a waste.</summary>
    public bool HasNodeDependencies()
    {
        if (CodeFolder is null || Backend != "process") return false;
        try
        {
            using var package = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(CodeFolder, "package.json")));
            return package.RootElement.ValueKind is JsonValueKind.Object
                && package.RootElement.TryGetProperty("dependencies", out var dependencies)
                && dependencies.ValueKind is JsonValueKind.Object && dependencies.EnumerateObject().Any();
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            // No package.json, or one that the build will complain about in its own words.
            return false;
        }
    }

    /// <summary>The files that <c>[vm]</c> names. What is wrong with the table is for the daemon to say.</summary>
    private static List<string> FilesOf(TomlValue vm, string folder)
    {
        var files = new List<string>();
        foreach (var key in (string[])["kernel", "image", "initrd"])
        {
            if (vm is not TomlTable table || !table.TryGet(key, out var entry) || entry.Value is not TomlString { Value: { Length: > 0 } name }) continue;
            var path = Path.GetFullPath(Path.Combine(folder, name));
            var relative = Path.GetRelativePath(folder, path);
            if (Path.IsPathRooted(relative) || relative is "." || relative.StartsWith("..", StringComparison.Ordinal))
                throw new CliException($"`{key}` names {name}, which is not in {folder}. Copy it there: what is deployed brings its files along.", ExitCode.BadConfiguration);
            if (!File.Exists(path) && !Directory.Exists(path)) throw new CliException($"`{key}` names {path}, which does not exist.", ExitCode.BadConfiguration);
            files.Add(relative);
        }
        return files;
    }

    private static string? Detect(string folder)
    {
        (string File, string Runtime)[] signs = [("fn.py", "python3"), ("package.json", "nodejs"), ("index.js", "nodejs"), ("fn.sh", "binary")];
        return signs.FirstOrDefault(sign => File.Exists(Path.Combine(folder, sign.File))).Runtime;
    }
}
