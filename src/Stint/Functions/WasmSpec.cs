namespace Stint.Functions;

/// <summary><c>[wasm]</c>: how a function runs as a WebAssembly module.</summary>
internal sealed record WasmSpec
{
    /// <summary><c>file</c>: the module, relative to the code's folder; null = the only <c>.wasm</c> file in it.</summary>
    public string? File { get; init; }

    /// <summary><c>memory</c> (MiB): the most that a call's linear memory may grow to.</summary>
    public int MemoryMiB { get; init; } = 64;

    /// <summary><c>output</c> (MiB): the longest answer.</summary>
    public int OutputMiB { get; init; } = 16;

    /// <summary><c>interface</c>: what the module is taken for; null = found out from its exports.</summary>
    public WasmInterface? Interface { get; init; }

    /// <summary><c>args</c>: arguments of a WASI command, after its name.</summary>
    public IReadOnlyList<string> Args { get; init; } = [];

    /// <summary><c>network</c>: where a FunLess module's HTTP requests may go, which the daemon makes for it; null = what the daemon's <c>network-default</c> says.</summary>
    public NetworkAccess? Network { get; init; }

    /// <summary><c>isolation</c>.</summary>
    public WasmIsolation Isolation { get; init; }

    /// <summary>Memory of a process that runs one call at a time of this function, MiB: Node.js itself takes some 50, the compiled module and the answer the rest.</summary>
    public int RunnerMemoryMiB => MemoryMiB + OutputMiB + RunnerOverheadMiB;

    /// <summary>Memory of a runner beside that of the call's instance, MiB.</summary>
    public const int RunnerOverheadMiB = 192;
}

/// <summary>How a module gets its input and gives its answer.</summary>
internal enum WasmInterface
{
    /// <summary><c>funless</c>: FunLess's imports <c>fl_imps</c> and the export <c>__invoke</c>; the input is JSON, and so is the answer.</summary>
    FunLess,

    /// <summary><c>wasi</c>: a command of WASI preview 1, <c>_start</c>: the body is its standard input, the answer its standard output.</summary>
    Wasi,
}

/// <summary>Which processes a WebAssembly function's calls run in.</summary>
internal enum WasmIsolation
{
    /// <summary><c>shared</c>: those that all such functions share. What keeps two calls apart is that each has an instance of its own, and V8's checks.</summary>
    Shared,

    /// <summary><c>process</c>: each instance of the function has a sandboxed process of its own.</summary>
    Process,
}
