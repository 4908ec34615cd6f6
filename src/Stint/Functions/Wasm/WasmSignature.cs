namespace Stint.Functions.Wasm;

/// <summary>Parameter and result types of a function, as the binary format's bytes; two are equal when they say the same.</summary>
internal readonly record struct WasmSignature(string Parameters, string Results)
{
    /// <summary>A signature in words: <c>iIiI:i</c>, with <c>i</c> for i32 and <c>I</c> for i64, results after the colon.</summary>
    public static WasmSignature Of(string words)
    {
        var colon = words.IndexOf(':', StringComparison.Ordinal);
        return new(Types(words[..colon]), Types(words[(colon + 1)..]));
    }

    /// <summary>As people write it: <c>(i32, i64) -> i32</c>.</summary>
    public override string ToString() => $"({Names(Parameters)}) -> {(Results.Length == 0 ? "nothing" : Names(Results))}";

    /// <summary>Whether a byte is a value type of WebAssembly 2.0: numbers, vectors, references.</summary>
    public static bool IsType(byte type) => type is >= 0x7b and <= 0x7f or 0x70 or 0x6f;

    private static string Types(string words) => string.Concat(words.Select(static word => word == 'i' ? '\x7f' : '\x7e'));

    private static string Names(string types) => string.Join(", ", types.Select(static type => type switch
    {
        '\x7f' => "i32", '\x7e' => "i64", '\x7d' => "f32", '\x7c' => "f64", '\x7b' => "v128", '\x70' => "funcref", _ => "externref",
    }));
}
