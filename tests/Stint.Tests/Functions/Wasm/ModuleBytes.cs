using System.Text;

namespace Stint.Tests.Functions.Wasm;

/// <summary>Puts modules together byte by byte, also wrong ones (WebAssembly core specification 2.0, chapter 5).</summary>
internal static class ModuleBytes
{
    public const byte I32 = 0x7f, I64 = 0x7e;

    /// <summary>The code of one function () or (i32) that returns 0.</summary>
    public static byte[] Code { get; } = Section(10, 1, 4, 0, 0x41, 0, 0x0b);

    /// <summary>FunLess's smallest: type (i32) -> i32, one function that returns 0, a memory of one page.</summary>
    public static byte[] FunLess { get; } = Module(Types(Type([I32], [I32])), Section(3, 1, 0), Memory(0, 1), Exports(("memory", 2, 0), ("__invoke", 0, 0)), Code);

    /// <summary>A command: type () -> (), and one that the imports have, (i32, i32) -> i32.</summary>
    public static byte[] Command { get; } = Module(
        Types(Type([], []), Type([I32, I32], [I32])), Imports(("wasi_snapshot_preview1", "random_get", [0, 1])), Section(3, 1, 0), Memory(0, 1), Exports(("memory", 2, 0), ("_start", 0, 1)), Section(10, 1, 2, 0, 0x0b));

    public static byte[] Module(params byte[][] sections) => [0, (byte)'a', (byte)'s', (byte)'m', 1, 0, 0, 0, .. sections.SelectMany(static section => section)];

    public static byte[] Section(byte id, params byte[] content) => [id, .. Leb((uint)content.Length), .. content];

    public static byte[] Types(params byte[][] types) => Section(1, [(byte)types.Length, .. types.SelectMany(static type => type)]);

    public static byte[] Type(byte[] parameters, byte[] results) => [0x60, (byte)parameters.Length, .. parameters, (byte)results.Length, .. results];

    public static byte[] Imports(params (string Module, string Name, byte[] What)[] imports) =>
        Section(2, [(byte)imports.Length, .. imports.SelectMany(static import => (byte[])[.. Name(import.Module), .. Name(import.Name), .. import.What])]);

    public static byte[] Memory(byte flags, params uint[] limits) => Section(5, [1, flags, .. limits.SelectMany(Leb)]);

    public static byte[] Exports(params (string Name, byte Kind, byte Index)[] exports) =>
        Section(7, [(byte)exports.Length, .. exports.SelectMany(static export => (byte[])[.. Name(export.Name), export.Kind, export.Index])]);

    public static byte[] Name(string name) => [.. Leb((uint)Encoding.UTF8.GetByteCount(name)), .. Encoding.UTF8.GetBytes(name)];

    public static byte[] Leb(uint value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return [.. bytes];
    }
}
