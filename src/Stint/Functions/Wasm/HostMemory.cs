// A module brings its memory along, and an engine makes a new one for each instance: mapping it, faulting its pages in and collecting it afterwards took five times as long as all the rest of a small call
// (docs/benchmarks.md). So the module is changed to import its memory: the runner hands it one that an earlier call of the same module has used, all zeroes again. Everything else of an instance is made anew by the
// engine: globals, tables, and the data that initialises the memory. The import's limit is the function's own, which V8 has for whole processes only.
//
//   (memory (export "memory") 16)   becomes   (import "stint" "memory" (memory 16 1024)) … (export "memory" (memory 0))
using System.Text;

namespace Stint.Functions.Wasm;

/// <summary>Makes a module import its memory, with the function's limit.</summary>
internal static class HostMemory
{
    private const byte ImportSection = 2;

    /// <summary>The module as runners load it.</summary>
    /// <param name="bytes">A checked module.</param>
    /// <param name="module">What is known of it.</param>
    public static byte[] Import(ReadOnlySpan<byte> bytes, WasmModule module)
    {
        var (imports, memory) = (module.Imports, module.MemorySection);
        var old = bytes.Slice(imports.EntriesAt, imports.EntriesLength);
        byte[] entry = [.. Name("stint"), .. Name("memory"), WasmSections.MemoryKind, 1, .. Leb(module.InitialPages), .. Leb(module.MaxPages)];
        byte[] content = [.. Leb((uint)imports.Count + 1), .. old, .. entry];
        return
        [
            .. bytes[..imports.SectionAt], ImportSection, .. Leb((uint)content.Length), .. content,
            .. bytes[imports.SectionEnd..memory.At], .. bytes[memory.End..],
        ];
    }

    private static byte[] Name(string name) => [(byte)name.Length, .. Encoding.ASCII.GetBytes(name)];

    private static byte[] Leb(uint value)
    {
        var bytes = new List<byte>(5);
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return [.. bytes];
    }
}
