using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Dialects;

/// <summary>Modules of FunLess's kind, assembled from text by wabt.</summary>
internal static class FlModules
{
    private const string Imports = """
        (import "fl_imps" "__get_input_data" (func $input (param i32)))
        (import "fl_imps" "__insert_response" (func $respond (param i32 i32)))
        (import "fl_imps" "__insert_error" (func $fail (param i32 i32)))
        (memory (export "memory") 2)
        """;

    /// <summary>Answers with its input.</summary>
    public static Task<byte[]> EchoAsync() => AssembleAsync("""
        (func (export "__invoke") (param $length i32) (result i32)
          (call $input (i32.const 1024))
          (call $respond (i32.const 1024) (local.get $length))
          (i32.const 0))
        """);

    /// <summary>Answers with a JSON text.</summary>
    public static Task<byte[]> SayingAsync(string json) => AssembleAsync($$"""
        (data (i32.const 16) "{{Escaped(json)}}")
        (func (export "__invoke") (param $length i32) (result i32)
          (call $respond (i32.const 16) (i32.const {{json.Length}}))
          (i32.const 0))
        """);

    /// <summary>Reports an error.</summary>
    public static Task<byte[]> FailingAsync(string text) => AssembleAsync($$"""
        (data (i32.const 16) "{{Escaped(text)}}")
        (func (export "__invoke") (param $length i32) (result i32)
          (call $fail (i32.const 16) (i32.const {{text.Length}}))
          (i32.const 1))
        """);

    /// <summary>Breaks off.</summary>
    public static Task<byte[]> TrappedAsync() => AssembleAsync("""(func (export "__invoke") (param $length i32) (result i32) unreachable)""");

    private static async Task<byte[]> AssembleAsync(string text)
    {
        var folder = Directory.CreateTempSubdirectory("stint-e2e-wat-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "module.wat"), $"(module {Imports} {text})");
            (await Programs.RunAsync(["wat2wasm", "module.wat", "-o", "module.wasm"], folder)).Good();
            return await File.ReadAllBytesAsync(Path.Combine(folder, "module.wasm"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Escaped(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
}
