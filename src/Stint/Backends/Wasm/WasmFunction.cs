using Stint.Functions;
using Stint.Functions.Wasm;
using Stint.Invocations;

namespace Stint.Backends.Wasm;

/// <summary>What runners need to know of one version of a function; the same for all of its instances.</summary>
internal sealed class WasmFunction
{
    private WasmFunction(FunctionVersion version, WasmInterface kind, (uint Initial, uint Most) pages, byte[] definition, NetworkAccess network) =>
        (Version, Kind, Pages, Definition, Network) = (version, kind, pages, definition, network);

    /// <summary>The version.</summary>
    public FunctionVersion Version { get; }

    /// <summary>The function.</summary>
    public FunctionName Name => Version.Name;

    /// <summary>Its settings.</summary>
    public WasmSpec Spec => Version.Spec.Wasm!;

    /// <summary>How it gets its input.</summary>
    public WasmInterface Kind { get; }

    /// <summary>Pages of its memory: from the beginning, and at most.</summary>
    public (uint Initial, uint Most) Pages { get; }

    /// <summary>Identity of the module, by which runners keep it.</summary>
    public string Hash => Path.GetFileName(Version.Folder)!;

    /// <summary>Identity of the settings.</summary>
    public string Key => KeyOf(Version);

    /// <summary>The FUNCTION frame.</summary>
    public byte[] Definition { get; }

    /// <summary>Where its requests may go.</summary>
    public NetworkAccess Network { get; }

    /// <summary>The module's file.</summary>
    public string ModulePath => Path.Combine(Version.Folder!, ModuleFile.BundleName);

    /// <summary>Identity of a version's settings.</summary>
    public static string KeyOf(FunctionVersion version) => $"{version.Name} {version.Id}";

    /// <summary>Looks at a version's module.</summary>
    /// <exception cref="InstanceStartException">It cannot be read.</exception>
    public static WasmFunction Of(FunctionVersion version, NetworkAccess byDefault)
    {
        var spec = version.Spec.Wasm ?? throw new InstanceStartException($"{version.Name} is no WebAssembly function");
        try
        {
            var (kind, initial, most) = ModuleFile.ReadFacts(version.Folder!);
            var definition = RunnerFrames.OfFunction(KeyOf(version), Path.GetFileName(version.Folder)!, version.Name.Name, kind, spec, version.Spec.Env);
            return new WasmFunction(version, kind, (initial, most), definition, spec.Network ?? byDefault);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new InstanceStartException($"the module of {version.Name} cannot be read: {failure.Message}", failure);
        }
    }
}
