namespace Stint.Functions.Wasm;

/// <summary>
/// Lowers the limit of a module's memory to the function's own: the module then asks for no more, whichever engine runs it. V8 has such a limit for a whole process only.
/// </summary>
internal static class MemoryLimit
{
    private const byte MemorySection = 5;

    /// <summary>The module with its memory limited; the same bytes when it limits itself as far already.</summary>
    /// <param name="bytes">A checked module.</param>
    /// <param name="module">What is known of it.</param>
    /// <param name="memoryMiB">The limit.</param>
    public static byte[] Apply(byte[] bytes, WasmModule module, int memoryMiB)
    {
        var most = (uint)memoryMiB * (1 << 20) / WasmModule.PageBytes;
        if (module.MaxPages <= most) return bytes;
        // count = 1, flags = 1 (there is a limit), initial, most
        Span<byte> content = [1, 1, .. Leb(module.InitialPages), .. Leb(most)];
        var (sectionAt, contentAt, contentLength) = module.MemorySection;
        return [.. bytes.AsSpan(0, sectionAt), MemorySection, .. Leb((uint)content.Length), .. content, .. bytes.AsSpan(contentAt + contentLength)];
    }

    private static byte[] Leb(uint value)
    {
        var bytes = new List<byte>(5);
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return [.. bytes];
    }
}
