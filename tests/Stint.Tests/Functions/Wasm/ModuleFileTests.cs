using Stint.Functions;
using Stint.Functions.Wasm;

namespace Stint.Tests.Functions.Wasm;

public sealed class ModuleFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-module-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private void Write(string path, byte[] module)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_folder, path))!);
        File.WriteAllBytes(Path.Combine(_folder, path), module);
    }

    private string Refusal(WasmSpec spec) => Assert.Throws<ModuleRejectedException>(() => ModuleFile.Take(spec, _folder)).Message;

    [Fact]
    public void The_only_module_is_taken_and_of_several_the_named_one()
    {
        Assert.Contains("no .wasm file", Refusal(new WasmSpec()), StringComparison.Ordinal);
        Write("build/fn.wasm", ModuleBytes.FunLess);
        Assert.StartsWith("funless 1 1024", ModuleFile.Take(new WasmSpec(), _folder).Facts, StringComparison.Ordinal);
        Write("other.wasm", ModuleBytes.Command);
        Assert.Contains("several .wasm files: build/fn.wasm, other.wasm", Refusal(new WasmSpec()), StringComparison.Ordinal);
        Assert.StartsWith("wasi 1 ", ModuleFile.Take(new WasmSpec { File = "other.wasm" }, _folder).Facts, StringComparison.Ordinal);
        Assert.Contains("no such file", Refusal(new WasmSpec { File = "third.wasm" }), StringComparison.Ordinal);
        Assert.Contains("outside", Refusal(new WasmSpec { File = "../other.wasm" }), StringComparison.Ordinal);
        Assert.Contains("outside", Refusal(new WasmSpec { File = "/etc/passwd" }), StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_is_no_module()
    {
        File.CreateSymbolicLink(Path.Combine(_folder, "fn.wasm"), "/etc/passwd");
        Assert.Contains("no plain file", Refusal(new WasmSpec { File = "fn.wasm" }), StringComparison.Ordinal);
    }

    [Fact]
    public void Equal_modules_with_equal_limits_are_one_and_others_are_not()
    {
        Write("fn.wasm", ModuleBytes.FunLess);
        var one = ModuleFile.Take(new WasmSpec(), _folder).Hash;
        Assert.Equal(one, ModuleFile.Take(new WasmSpec { OutputMiB = 3 }, _folder).Hash);
        Assert.NotEqual(one, ModuleFile.Take(new WasmSpec { MemoryMiB = 3 }, _folder).Hash);
    }
}
