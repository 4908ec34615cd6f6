using System.Globalization;
using System.Security.Cryptography;
using Stint.Functions.Bundles;

namespace Stint.Functions.Wasm;

/// <summary>Finds a function's module among its code, and makes of it what runners load: the module, and beside it a line of what is known of it.</summary>
internal static class ModuleFile
{
    /// <summary>The module's name in the bundle.</summary>
    public const string BundleName = "module.wasm";

    /// <summary>The file with what is known of it: <c>interface initial-pages max-pages</c>.</summary>
    public const string FactsName = "facts";

    /// <summary>Moves when modules are changed differently, so that bundles of an older daemon are not used.</summary>
    private const string Format = "stint-wasm 1";

    private const string FunLess = "funless", Wasi = "wasi";

    /// <summary>The module of a code folder, checked, importing its memory.</summary>
    /// <param name="spec">What the function wants of it.</param>
    /// <param name="folder">The code as it was deployed.</param>
    /// <returns>The bytes, what is known of them, and the hash that names both.</returns>
    /// <exception cref="ModuleRejectedException">There is none, or it cannot be a function.</exception>
    public static (byte[] Bytes, string Facts, string Hash) Take(WasmSpec spec, string folder)
    {
        var path = Find(spec, folder);
        if (!FileStat.TryRead(path, out var stat) || !stat.IsFile) throw new ModuleRejectedException($"{Path.GetRelativePath(folder, path)} is no plain file; put the module itself there");
        if (stat.Size > WasmModule.MaxBytes) throw new ModuleRejectedException(WasmModule.TooLarge);
        var bytes = File.ReadAllBytes(path);
        var module = WasmModule.Read(bytes, spec);
        var changed = HostMemory.Import(bytes, module);
        var facts = string.Create(CultureInfo.InvariantCulture, $"{(module.Interface == WasmInterface.FunLess ? FunLess : Wasi)} {module.InitialPages} {module.MaxPages}");
        return (changed, facts, BundleHash.OfTexts(Format, facts, Convert.ToHexStringLower(SHA256.HashData(changed))));
    }

    /// <summary>What is known of a bundle's module.</summary>
    /// <exception cref="IOException">It is not there, or no such file.</exception>
    public static (WasmInterface Interface, uint InitialPages, uint MaxPages) ReadFacts(string bundle)
    {
        var words = File.ReadAllText(Path.Combine(bundle, FactsName)).Split(' ');
        return words is [FunLess or Wasi, _, _] && uint.TryParse(words[1], CultureInfo.InvariantCulture, out var initial) && uint.TryParse(words[2], CultureInfo.InvariantCulture, out var most)
            ? (words[0] == FunLess ? WasmInterface.FunLess : WasmInterface.Wasi, initial, most)
            : throw new IOException($"{bundle}/{FactsName} is damaged; deploy the function again");
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
