namespace Stint.Backends.Wasm;

/// <summary>How many runners there are, and what they are made of.</summary>
internal sealed record WasmBackendOptions
{
    /// <summary>The folder for runners' sockets, which instances of other backends use as well.</summary>
    public required string RunFolder { get; init; }

    /// <summary>The unpacked runtimes: <c>wasm/runner.js</c>.</summary>
    public required string Runtimes { get; init; }

    /// <summary>The Node.js interpreter; null when there is none.</summary>
    public required string? NodeJs { get; init; }

    /// <summary>Runners that stay when nothing is to do, once a function needs them.</summary>
    public required int Kept { get; init; }

    /// <summary>Runners at most, and so calls at a time.</summary>
    public required int Most { get; init; }

    /// <summary>Memory of one shared runner, MiB.</summary>
    public required int MemoryMiB { get; init; }
}
