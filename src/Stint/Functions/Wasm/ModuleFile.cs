using Stint.Functions.Bundles;

namespace Stint.Functions.Wasm;

/// <summary>Finds a function's module among its code, and makes of it what runners load.</summary>
internal static class ModuleFile
{
    /// <summary>The module's name in the bundle.</summary>
    public const string BundleName = "module.wasm";

    /// <summary>Moves when modules are changed differently, so that bundles of an older daemon are not used.</summary>
    private const string Format = "stint-wasm 1";

    /// <summary>The module of a code folder, checked, with its memory limited.</summary>
    /// <param name="spec">What the function wants of it.</param>
    /// <param name="folder">The code as it was deployed.</param>
    /// <returns>The bytes, and the hash that names them.</returns>
    /// <exception cref="ModuleRejectedException">There is none, or it cannot be a function.</exception>
    public static (byte[] Bytes, string Hash) Take(WasmSpec spec, string folder)
    {
        var path = Find(spec, folder);
        if (!FileStat.TryRead(path, out var stat) || !stat.IsFile) throw new ModuleRejectedException($"{Path.GetRelativePath(folder, path)} is no plain file; put the module itself there");
        if (stat.Size > WasmModule.MaxBytes) throw new ModuleRejectedException(WasmModule.TooLarge);
        var bytes = File.ReadAllBytes(path);
        var module = WasmModule.Read(bytes, spec);
        var limited = MemoryLimit.Apply(bytes, module, spec.MemoryMiB);
        var content = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(limited));
        return (limited, BundleHash.OfTexts(Format, content));
    }

    private static string Find(WasmSpec spec, string folder)
    {
        if (spec.File is { } named)
        {
            var full = Path.GetFullPath(Path.Combine(folder, named));
            if (!full.StartsWith(Path.GetFullPath(folder) + '/', StringComparison.Ordinal)) throw new ModuleRejectedException($"`file` is \"{named}\", which is outside of the function's code");
            return FileStat.TryRead(full, out _) ? full : throw new ModuleRejectedException($"`file` is \"{named}\", but there is no such file among the code");
        }
        var found = CodeTree.Walk(folder).Where(static entry => entry.Stat.IsFile && entry.Path.EndsWith(".wasm", StringComparison.Ordinal)).Select(static entry => entry.Path).ToList();
        return found switch
        {
            [var only] => Path.Combine(folder, only),
            [] => throw new ModuleRejectedException("there is no .wasm file among the code; build the module first, and deploy the folder that holds it"),
            _ => throw new ModuleRejectedException($"there are several .wasm files: {string.Join(", ", found.Take(5))}; name one with `file` in [wasm]"),
        };
    }
}
