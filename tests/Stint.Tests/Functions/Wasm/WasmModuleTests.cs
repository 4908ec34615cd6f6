using FsCheck;
using FsCheck.Fluent;
using Stint.Functions;
using Stint.Functions.Wasm;
using static Stint.Tests.Functions.Wasm.ModuleBytes;

namespace Stint.Tests.Functions.Wasm;

public sealed class WasmModuleTests
{
    private static readonly byte[] InvokeType = Types(Type([I32], [I32]));
    private static readonly byte[] OneFunction = Section(3, 1, 0);
    private static readonly byte[] BothExports = Exports(("memory", 2, 0), ("__invoke", 0, 0));

    private static string Refusal(byte[] module, WasmSpec? spec = null) => Assert.Throws<ModuleRejectedException>(() => WasmModule.Read(module, spec ?? new WasmSpec())).Message;

    [Fact]
    public void The_interface_is_found_out_from_the_exports()
    {
        Assert.Equal(WasmInterface.FunLess, WasmModule.Read(FunLess, new WasmSpec()).Interface);
        Assert.Equal(WasmInterface.Wasi, WasmModule.Read(Command, new WasmSpec()).Interface);
        var both = Module(Types(Type([I32], [I32]), Type([], [])), Section(3, 2, 0, 1), Memory(0, 1), Exports(("memory", 2, 0), ("__invoke", 0, 0), ("_start", 0, 1)));
        Assert.Equal(WasmInterface.FunLess, WasmModule.Read(both, new WasmSpec()).Interface);
        Assert.Equal(WasmInterface.Wasi, WasmModule.Read(both, new WasmSpec { Interface = WasmInterface.Wasi }).Interface);
        Assert.Contains("does not export the function _start", Refusal(FunLess, new WasmSpec { Interface = WasmInterface.Wasi }), StringComparison.Ordinal);
    }

    public static TheoryData<byte[], string> Refused { get; } = new()
    {
        { [], "is empty" },
        { "(module)"u8.ToArray(), "WebAssembly text; translate it first" },
        { "\x7f\x45LF"u8.ToArray(), "does not begin with \\0asm" },
        { [0, (byte)'a', (byte)'s', (byte)'m', 1], "ends after its first bytes" },
        { [0, (byte)'a', (byte)'s', (byte)'m', 0x0d, 0, 1, 0], "component" },
        { [0, (byte)'a', (byte)'s', (byte)'m', 2, 0, 0, 0], "unknown version" },
        { Module(), "no function" },
        { Module(Section(1, 0xff, 0xff, 0xff, 0xff, 0x0f)), "4,294,967,295 types are announced where 0 bytes are left" },
        { Module(Section(1, 0xff, 0xff, 0xff, 0xff, 0x1f)), "no number of 32 bits" },
        { Module([1, 0xff, 0xff, 0xff, 0x7f]), "bytes of a section are announced" },
        { Module(Section(1, 1, 0x60, 1)), "1 parameters are announced where 0 bytes are left" },
        { Module(Section(1, 1, 0x60, 1, 0x40, 0)), "0x40 is no value type" },
        { Module(Section(1, 1, 0x5f, 0)), "garbage collection proposal" },
        { Module(Types(), Types()), "section 1 comes twice" },
        { Module(Section(3, 0), Types()), "section 1 comes twice, or too late" },
        { Module(Section(14)), "unknown kind 14" },
        { Module(Section(13, 0)), "exception tags" },
        { Module(Section(1, 0, 9)), "has 1 bytes too many" },
        { Module(Imports(("env", "x", [0, 0]))), "of type 0, which is not there" },
        { Module(InvokeType, Imports(("env", "x", [0, 0]))), "imports \"env\" \"x\"" },
        { Module(InvokeType, Imports(("wasi:cli/run@0.2.0", "run", [0, 0]))), "WASI preview 2" },
        { Module(InvokeType, Imports(("wasi_unstable", "fd_write", [0, 0]))), "early WASI" },
        { Module(InvokeType, Imports(("fl_imps", "__get_input_data", [0, 0]))), "as (i32) -> i32; it is (i32) -> nothing" },
        { Module(InvokeType, Imports(("env", "memory", [2, 0, 1]))), "imports the memory \"env\" \"memory\"" },
        { Module(InvokeType, Imports(("env", "\x1b[2J", [3, I32, 0]))), "imports the global \"env\" \"?[2J\"" },
        { Module(InvokeType, Section(2, 1, 1, 0xff, 1, 0x61, 0, 0)), "is not UTF-8" },
        { Module(InvokeType, OneFunction, BothExports), "has no memory" },
        { Module(InvokeType, OneFunction, Memory(0, 1), Exports(("__invoke", 0, 0))), "does not export its memory" },
        { Module(InvokeType, OneFunction, Memory(3, 1, 1), BothExports), "shared between threads" },
        { Module(InvokeType, OneFunction, Memory(4, 1), BothExports), "64-bit addresses" },
        { Module(InvokeType, OneFunction, Memory(1, 2, 1), BothExports), "larger than its own limit" },
        { Module(InvokeType, OneFunction, Section(5, 2, 0, 1, 0, 1), BothExports), "has 2 memories" },
        { Module(InvokeType, OneFunction, Memory(0, 1025), BothExports), "begins with 65 MiB of memory, more than the function's limit of 64 MiB" },
        { Module(InvokeType, OneFunction, Section(4, [1, 0x70, 0, .. Leb(2_000_000)]), Memory(0, 1), BothExports), "tables of 2,000,000 entries" },
        { Module(InvokeType, OneFunction, Memory(0, 1), Exports(("memory", 2, 0), ("__invoke", 3, 0))), "does not export the function __invoke" },
        { Module(Types(Type([], [I32])), OneFunction, Memory(0, 1), BothExports), "exports __invoke as () -> i32" },
        { Module(InvokeType, OneFunction, Memory(0, 1), Exports(("memory", 2, 0), ("memory", 2, 0))), "exported twice" },
        { Module(InvokeType, OneFunction, Memory(0, 1), BothExports, Section(8, 0)), "start function" },
        { Module(InvokeType, Imports(("env", "y", [9, 0]))), "unknown kind 9" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_cannot_be_a_function_is_refused_with_the_reason(byte[] module, string reason) => Assert.Contains(reason, Refusal(module), StringComparison.Ordinal);

    [Fact]
    public void The_memory_is_imported_with_the_smaller_limit_and_nothing_else_changes()
    {
        foreach (var (limits, spec, most) in new (byte[], int, uint)[] { (Memory(0, 1), 2, 32), (Memory(1, 1, 8), 2, 8), (Memory(1, 1, 65536), 2, 32) })
        {
            var original = Module(InvokeType, OneFunction, limits, BothExports, Code);
            var module = WasmModule.Read(original, new WasmSpec { MemoryMiB = spec });
            Assert.Equal(most, module.MaxPages);
            Assert.Equal(Module(InvokeType, Imports(("stint", "memory", [2, 1, 1, (byte)most])), OneFunction, BothExports, Code), HostMemory.Import(original, module));
        }
        var command = WasmModule.Read(Command, new WasmSpec { MemoryMiB = 1 });
        var changed = HostMemory.Import(Command, command);
        Assert.Contains("imports the memory \"stint\" \"memory\"", Refusal(changed), StringComparison.Ordinal); // which a deployed module may not, so nobody can pretend
        Assert.Equal(Command.Length + Name("stint").Length + Name("memory").Length + 4 - Memory(0, 1).Length, changed.Length);
    }

    [Fact]
    public void However_a_module_is_bent_it_is_taken_or_refused_and_nothing_else()
    {
        var bent = from seed in Gen.Elements(FunLess, Command)
                   from edits in Gen.Choose(1, 8)
                   from places in Gen.ListOf(Gen.Choose(0, 1000), edits)
                   from values in Gen.ListOf(Gen.Choose(0, 255), edits)
                   from cut in Gen.Choose(0, 3)
                   select Bend(seed, places.ToArray(), values.ToArray(), cut);
        Prop.ForAll(bent.ToArbitrary(), static module =>
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                _ = HostMemory.Import(module, WasmModule.Read(module, new WasmSpec()));
            }
            catch (ModuleRejectedException)
            {
                // as it should be
            }
            return GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(20_000));
    }

    private static byte[] Bend(byte[] seed, int[] places, int[] values, int cut)
    {
        var module = seed.ToList();
        for (var i = 0; i < places.Length; i++)
        {
            var at = 8 + places[i] % (module.Count - 8);
            if (values[i] % 3 == 0) module[at] = (byte)values[i];
            else if (values[i] % 3 == 1) module.Insert(at, (byte)(values[i] | 0x80));
            else if (module.Count > 10) module.RemoveAt(at);
        }
        return [.. module.Take(cut == 0 ? module.Count / 2 : module.Count)];
    }
}
