namespace Stint.Functions.Wasm;

/// <summary>Goes through a module's sections and keeps what a function's check needs of them: types, imports, exports, the memory.</summary>
internal sealed class WasmSections
{
    /// <summary>An export or import that is a function.</summary>
    public const byte FunctionKind = 0;

    /// <summary>One that is a memory.</summary>
    public const byte MemoryKind = 2;

    private const byte TypeSection = 1, ImportSection = 2, FunctionSection = 3, TableSection = 4, MemorySectionId = 5, GlobalSection = 6, ExportSection = 7, StartSection = 8, CodeSection = 10, DataCountSection = 12, TagSection = 13;

    // V8's own limits (wasm-limits.h): what is beyond is refused here, before anything is kept of it.
    private const int MaxTypes = 1_000_000, MaxFunctions = 1_000_000, MaxImports = 100_000, MaxExports = 100_000, MaxParameters = 1000;

    /// <summary>Entries that a module's tables may have from the beginning, all together: a runner makes them anew for each call.</summary>
    private const long MaxTableEntries = 1_000_000;

    // The order in which sections must come; zero = anywhere.
    private static readonly byte[] Order = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 11, 6];

    private readonly List<(int ParametersAt, int Parameters, int ResultsAt, int Results)> _types = [];
    private readonly List<uint> _functionTypes = []; // of imported functions, then of the module's own
    private byte[] _typeBytes = [];
    private int _typeBytesAt;

    /// <summary>Exports by name.</summary>
    public Dictionary<string, (byte Kind, uint Index)> Exports { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether it imports anything of FunLess's.</summary>
    public bool ImportsFunLess { get; private set; }

    /// <summary>Whether it has a start function.</summary>
    public bool Start { get; private set; }

    /// <summary>The limits of its memory in pages.</summary>
    public (uint Initial, uint? Most)? Memory { get; private set; }

    /// <summary>Where the memory section begins, with its id, and where what follows it.</summary>
    public (int At, int End) MemorySection { get; private set; }

    /// <summary>Where the imports lie, or would.</summary>
    public ImportsPlace Imports { get; private set; } = new(8, 8, 0, 8, 0);

    /// <summary>Signature of a function by its index; null when there is none of that index, which V8 refuses.</summary>
    public WasmSignature? SignatureOf(uint function) => function < _functionTypes.Count ? Signature(_functionTypes[(int)function]) : null;

    /// <summary>Goes through the sections.</summary>
    /// <exception cref="ModuleRejectedException">One is malformed, or has what functions cannot have.</exception>
    public void Read(ReadOnlySpan<byte> module)
    {
        var all = new WasmReader(module, 8, module.Length);
        var last = 0;
        while (!all.IsAtEnd)
        {
            var at = all.At;
            var id = all.Byte("a section");
            var size = all.Count("bytes of a section");
            if (id >= Order.Length) throw all.Malformed($"there is a section of the unknown kind {id}");
            if (Order[id] != 0 && Order[id] <= last) throw all.Malformed($"section {id} comes twice, or too late");
            last = Math.Max(last, Order[id]);
            var content = new WasmReader(module, all.At, all.At + size);
            var isRead = ReadSection(id, at, ref content);
            if (isRead && !content.IsAtEnd) throw content.Malformed($"section {id} has {content.End - content.At:N0} bytes too many");
            all.Skip(size, "a section");
        }
    }

    private bool ReadSection(byte id, int at, ref WasmReader content)
    {
        switch (id)
        {
            case TypeSection:
                ReadTypes(ref content);
                Imports = new(content.End, content.End, 0, content.End, 0); // right after the types, if there are none
                return true;
            case ImportSection:
                ReadImports(ref content, at);
                return true;
            case FunctionSection:
                ReadFunctions(ref content);
                return true;
            case TableSection:
                ReadTables(ref content);
                return true;
            case MemorySectionId:
                MemorySection = (at, content.End);
                ReadMemories(ref content);
                return true;
            case ExportSection:
                ReadExports(ref content);
                return true;
            case StartSection:
                Start = true;
                return false;
            case TagSection:
                throw new ModuleRejectedException("the module has exception tags, which functions cannot have; build it without exception handling");
            default:
                return false; // code and data are V8's business
        }
    }

    private void ReadTypes(ref WasmReader content)
    {
        var count = content.Count("types");
        if (count > MaxTypes) throw content.Malformed($"there are {count:N0} types");
        (_typeBytesAt, _typeBytes) = (content.At, content.Slice(content.At, content.End - content.At).ToArray());
        for (var i = 0; i < count; i++)
        {
            var form = content.Byte("a type");
            if (form is 0x4e or 0x4f or 0x50 or 0x5e or 0x5f)
                throw new ModuleRejectedException("the module uses types of the garbage collection proposal, which functions cannot have; build it for WebAssembly 2.0 or older");
            if (form != 0x60) throw content.Malformed($"there is a type of the unknown form 0x{form:x2}");
            var (parametersAt, parameters) = ReadValueTypes(ref content, "parameters");
            var (resultsAt, results) = ReadValueTypes(ref content, "results");
            _types.Add((parametersAt, parameters, resultsAt, results));
        }
    }

    private static (int At, int Count) ReadValueTypes(ref WasmReader content, string what)
    {
        var count = content.Count(what);
        if (count > MaxParameters) throw content.Malformed($"a function has {count:N0} {what}");
        var at = content.At;
        for (var i = 0; i < count; i++) RequireType(ref content);
        return (at, count);
    }

    private static void RequireType(ref WasmReader content)
    {
        var type = content.Byte("a value type");
        if (!WasmSignature.IsType(type)) throw content.Malformed($"0x{type:x2} is no value type of WebAssembly 2.0");
    }

    private void ReadImports(ref WasmReader content, int section)
    {
        var count = content.Count("imports");
        Imports = new(section, content.At, content.End - content.At, content.End, count);
        if (count > MaxImports) throw content.Malformed($"there are {count:N0} imports");
        for (var i = 0; i < count; i++)
        {
            var module = content.Name("the module of an import");
            var name = content.Name("the name of an import");
            var kind = content.Byte("the kind of an import");
            if (kind != FunctionKind)
            {
                var what = kind switch { 1 => "table", 2 => "memory", 3 => "global", 4 => "tag", _ => throw content.Malformed($"an import is of the unknown kind {kind}") };
                var hint = kind == 2 ? "; it must have a memory of its own: build it without --import-memory" : "; link it in";
                throw new ModuleRejectedException($"the module imports the {what} \"{AllowedImports.Printable(module)}\" \"{AllowedImports.Printable(name)}\", and functions may import functions only{hint}");
            }
            var type = content.U32("the type of an import");
            AllowedImports.Require(module, name, Signature(type) ?? throw content.Malformed($"an import is of type {type}, which is not there"));
            ImportsFunLess |= module == AllowedImports.FunLess;
            _functionTypes.Add(type);
        }
    }

    private void ReadFunctions(ref WasmReader content)
    {
        var count = content.Count("functions");
        if (count > MaxFunctions) throw content.Malformed($"there are {count:N0} functions");
        for (var i = 0; i < count; i++) _functionTypes.Add(content.U32("the type of a function"));
    }

    private static void ReadTables(ref WasmReader content)
    {
        var count = content.Count("tables");
        long entries = 0;
        for (var i = 0; i < count; i++)
        {
            if (content.Byte("a table") is not (0x70 or 0x6f)) throw content.Malformed("a table is neither of functions nor of external references");
            var (initial, _) = ReadLimits(ref content, "a table");
            entries += initial;
        }
        if (entries > MaxTableEntries) throw new ModuleRejectedException($"the module begins with tables of {entries:N0} entries; {MaxTableEntries:N0} are the most");
    }

    private void ReadMemories(ref WasmReader content)
    {
        var count = content.Count("memories");
        if (count > 1) throw new ModuleRejectedException($"the module has {count} memories; a function has one");
        if (count == 0) return;
        Memory = ReadLimits(ref content, "the memory");
    }

    private static (uint Initial, uint? Most) ReadLimits(ref WasmReader content, string what)
    {
        var flags = content.Byte($"the limits of {what}");
        if ((flags & 2) != 0) throw new ModuleRejectedException($"{what} is shared between threads, and functions have none; build it without threads (no --shared-memory, no atomics)");
        if ((flags & 4) != 0) throw new ModuleRejectedException($"{what} has 64-bit addresses, which functions cannot have; build it for wasm32");
        if (flags > 1) throw content.Malformed($"the limits of {what} have the unknown flags 0x{flags:x2}");
        var initial = content.U32($"the size of {what}");
        uint? most = flags == 1 ? content.U32($"the largest size of {what}") : null;
        return most < initial ? throw content.Malformed($"{what} is larger than its own limit") : (initial, most);
    }

    private void ReadExports(ref WasmReader content)
    {
        var count = content.Count("exports");
        if (count > MaxExports) throw content.Malformed($"there are {count:N0} exports");
        for (var i = 0; i < count; i++)
        {
            var name = content.Name("the name of an export");
            var kind = content.Byte("the kind of an export");
            if (kind > 4) throw content.Malformed($"an export is of the unknown kind {kind}");
            var index = content.U32("the index of an export");
            if (!Exports.TryAdd(name, (kind, index))) throw content.Malformed($"\"{AllowedImports.Printable(name)}\" is exported twice");
        }
    }

    private WasmSignature? Signature(uint type)
    {
        if (type >= _types.Count) return null;
        var (parametersAt, parameters, resultsAt, results) = _types[(int)type];
        return new(Text(parametersAt, parameters), Text(resultsAt, results));

        string Text(int at, int count) => string.Create(count, (_typeBytes, At: at - _typeBytesAt), static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++) span[i] = (char)source._typeBytes[source.At + i];
        });
    }
}

/// <summary>Where a module's imports lie; where there are none, the place for them.</summary>
/// <param name="SectionAt">Where the section begins, with its id.</param>
/// <param name="EntriesAt">Where the first import begins.</param>
/// <param name="EntriesLength">Bytes of all imports.</param>
/// <param name="SectionEnd">What follows the section.</param>
/// <param name="Count">Imports.</param>
internal readonly record struct ImportsPlace(int SectionAt, int EntriesAt, int EntriesLength, int SectionEnd, int Count);
