// What is looked at here is what a deployment's answer needs: is it a module, may it import what it imports, which interface does it speak, and how much memory does it want? Whether its code is valid is for V8 to say,
// which compiles it before the deployment is over. The bytes are a stranger's: nothing is allocated by a size that they claim.
using System.Globalization;

namespace Stint.Functions.Wasm;

/// <summary>What is known of a checked module.</summary>
internal sealed record WasmModule
{
    /// <summary>The largest module, bytes: a whole interpreter with its library has some 30 MiB.</summary>
    public const int MaxBytes = 64 << 20;

    /// <summary>Bytes of a page of linear memory.</summary>
    public const int PageBytes = 64 * 1024;

    /// <summary>The message for one that is larger.</summary>
    public static string TooLarge { get; } = $"the module is larger than {MaxBytes >> 20} MiB; build it with optimisation for size, without debug information (wasm-opt -Oz --strip-debug)";

    /// <summary>The interface that it speaks.</summary>
    public required WasmInterface Interface { get; init; }

    /// <summary>Pages that its memory has from the beginning.</summary>
    public required uint InitialPages { get; init; }

    /// <summary>Pages that its memory may have: by its own word, or the function's.</summary>
    public required uint MaxPages { get; init; }

    /// <summary>Where its imports lie.</summary>
    public required ImportsPlace Imports { get; init; }

    /// <summary>Where its memory section begins, and where what follows it.</summary>
    public required (int At, int End) MemorySection { get; init; }

    /// <summary>Checks a module.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="spec">What the function wants of it.</param>
    /// <exception cref="ModuleRejectedException">It cannot be a function.</exception>
    public static WasmModule Read(ReadOnlySpan<byte> bytes, WasmSpec spec)
    {
        if (bytes.Length > MaxBytes) throw new ModuleRejectedException(TooLarge);
        RequirePreamble(bytes);
        var sections = new WasmSections();
        sections.Read(bytes);

        var chosen = Choose(sections, spec.Interface);
        if (sections.Start) throw new ModuleRejectedException("the module has a start function, which would run before any limit of a call is set; have it called from _start, _initialize or __invoke instead");
        if (sections.Memory is not { } memory) throw new ModuleRejectedException("the module has no memory, through which it would get its input; build it with one, and export it as \"memory\"");
        if (!sections.Exports.TryGetValue("memory", out var exported) || exported.Kind != WasmSections.MemoryKind)
            throw new ModuleRejectedException("the module does not export its memory, through which it would get its input; export it as \"memory\"");
        var most = (uint)spec.MemoryMiB * (1 << 20) / PageBytes;
        if (memory.Initial > most)
            throw new ModuleRejectedException(string.Create(CultureInfo.InvariantCulture, $"the module begins with {Math.Ceiling(memory.Initial / 16.0)} MiB of memory, more than the function's limit of {spec.MemoryMiB} MiB; raise `memory` in [wasm], or build it with less"));
        return new WasmModule { Interface = chosen, InitialPages = memory.Initial, MaxPages = Math.Min(memory.Most ?? most, most), Imports = sections.Imports, MemorySection = sections.MemorySection };
    }

    private static void RequirePreamble(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) throw new ModuleRejectedException("the module is empty; send a .wasm file");
        if (!bytes.StartsWith("\0asm"u8))
        {
            var isText = bytes.TrimStart(" \t\r\n"u8).StartsWith("("u8) || bytes.StartsWith(";;"u8);
            throw new ModuleRejectedException(isText ? "the file is WebAssembly text; translate it first: wat2wasm fn.wat" : "the file is no WebAssembly module: it does not begin with \\0asm; send a .wasm file");
        }
        if (bytes.Length < 8) throw new ModuleRejectedException("the file is no valid WebAssembly module: it ends after its first bytes; build it again");
        if (bytes[4..8].SequenceEqual("\x01\0\0\0"u8)) return;
        throw new ModuleRejectedException(bytes[6] == 1
            ? "the file is a WebAssembly component, and functions are core modules; build it for WASI preview 1 (wasm32-wasip1)"
            : "the file is a WebAssembly module of an unknown version; build it with a current tool");
    }

    private static WasmInterface Choose(WasmSections sections, WasmInterface? wanted)
    {
        var invoke = WasmSignature.Of("i:i");
        var nothing = WasmSignature.Of(":");
        var isFunLess = sections.Exports.ContainsKey("__invoke");
        var isWasi = sections.Exports.ContainsKey("_start");
        var chosen = wanted ?? (isFunLess ? WasmInterface.FunLess : isWasi ? WasmInterface.Wasi : (WasmInterface?)null) ?? throw new ModuleRejectedException(sections.ImportsFunLess
            ? "the module imports fl_imps, but does not export __invoke: (i32) -> i32; export it"
            : "the module is no function: it exports neither __invoke (FunLess) nor _start (a WASI command); build a command for wasm32-wasi, or use FunLess's SDK");
        if (chosen == WasmInterface.FunLess)
        {
            Require("__invoke", invoke, "FunLess's interface");
            if (sections.Exports.ContainsKey("_initialize")) Require("_initialize", nothing, "a WASI reactor");
        }
        else
        {
            Require("_start", nothing, "a WASI command");
            if (sections.ImportsFunLess) throw new ModuleRejectedException("the module is a WASI command and imports fl_imps, which only FunLess modules have, that export __invoke; remove the one or the other");
        }
        return chosen;

        void Require(string name, WasmSignature signature, string what)
        {
            if (!sections.Exports.TryGetValue(name, out var export) || export.Kind != WasmSections.FunctionKind)
                throw new ModuleRejectedException($"the module does not export the function {name}: {signature}, which {what} needs; export it");
            if (sections.SignatureOf(export.Index) is { } actual && actual != signature)
                throw new ModuleRejectedException($"the module exports {name} as {actual}; for {what} it must be {signature}");
        }
    }
}
