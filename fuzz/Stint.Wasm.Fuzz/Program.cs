using System.Diagnostics;
using System.Globalization;
using Stint.Functions;
using Stint.Functions.Wasm;

// dotnet run -c Release --project fuzz/Stint.Wasm.Fuzz [-- modules [seed [FILE.wasm…]]]      1,000,000 by default
//
// Bends modules and has them checked, and changed for runners, as at a deployment. A module is taken or refused; anything else is a bug, and so is one that has much allocated for it.
var count = args.Length > 0 ? long.Parse(args[0], CultureInfo.InvariantCulture) : 1_000_000;
var seed = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : Environment.TickCount;
// The smallest of FunLess's kind and a command with an import, in the text format's order: types, imports, functions, memory, exports, code.
byte[][] seeds = args.Length > 2 ? [.. args.Skip(2).Select(File.ReadAllBytes)] :
[
    Convert.FromHexString("0061736d0100000001060160017f017f03020100050301000107150206" + "6d656d6f72790200085f5f696e766f6b6500000a0601040041000b"),
    Convert.FromHexString("0061736d0100000001090260000060027f7f017f02250116" + "776173695f736e617073686f745f7072657669657731" + "0a72616e646f6d5f676574000103020100050301000107130206" + "6d656d6f72790200065f737461727400010a040102000b"),
];
foreach (var module in seeds) _ = WasmModule.Read(module, new WasmSpec()); // or the fuzzing would be of nothing
Console.WriteLine($"{count:N0} modules, seed {seed}");
var random = new Random(seed);
var start = Stopwatch.GetTimestamp();
long taken = 0, refused = 0, most = 0;
for (var i = 0L; i < count; i++)
{
    var module = Bend(seeds[random.Next(seeds.Length)], random);
    var before = GC.GetAllocatedBytesForCurrentThread();
    try
    {
        _ = HostMemory.Import(module, WasmModule.Read(module, new WasmSpec()));
        taken++;
    }
    catch (ModuleRejectedException)
    {
        refused++;
    }
    catch (Exception bug)
    {
        Console.WriteLine($"module {Convert.ToHexString(module)}");
        Console.WriteLine(bug);
        return 1;
    }
    most = Math.Max(most, GC.GetAllocatedBytesForCurrentThread() - before - 4L * module.Length);
}
Console.WriteLine($"no exception after {Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s; {taken:N0} taken, {refused:N0} refused; at most {most >> 10} KiB allocated beyond four times a module's size");
return most < 1 << 20 ? 0 : 1;

static byte[] Bend(byte[] seed, Random random)
{
    var module = seed.ToList();
    for (var edits = random.Next(1, 6); edits > 0; edits--)
    {
        var at = random.Next(Math.Min(4, module.Count), module.Count);
        switch (random.Next(5))
        {
            case 0: module[at] = (byte)random.Next(256); break;
            case 1: module.Insert(at, (byte)random.Next(256)); break;
            case 2: module[at] ^= (byte)(1 << random.Next(8)); break;
            case 3: if (module.Count > 12) module.RemoveAt(at); break;
            default: module.InsertRange(at, [0xff, 0xff, 0xff, 0xff, 0x0f]); break;
        }
    }
    return random.Next(10) == 0 ? [.. module.Take(random.Next(module.Count))] : [.. module];
}
