using System.Runtime.InteropServices;

namespace Stint.Backends.Processes.Spawning;

/// <summary>What to start, and where its output goes.</summary>
internal sealed record SpawnRequest
{
    /// <summary>The executable's absolute path, then its arguments as the program sees them, its own name first.</summary>
    public required string Executable { get; init; }

    /// <summary>The arguments, beginning with argv[0].</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The whole environment, as <c>NAME=value</c>; nothing is inherited.</summary>
    public IReadOnlyList<string> Environment { get; init; } = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];

    /// <summary>A file that the child finds open for reading as descriptor 3.</summary>
    public string? Descriptor3 { get; init; }

    /// <summary>The child's end of <see cref="Gate"/>.</summary>
    public const int GateDescriptor = 4;

    /// <summary>Where the child waits until it is told to go on: as <see cref="GateDescriptor"/>.</summary>
    public Gate? Gate { get; init; }

    /// <summary>The network namespace that the child lives in; null = the daemon's.</summary>
    public SafeHandle? Network { get; init; }

    /// <summary>Takes each piece of output as it comes, on the spawning thread: must be quick and must not throw. Empty at the end of the stream.</summary>
    public required OutputSink Output { get; init; }
}

/// <summary>Which of the two streams a piece of output came from.</summary>
internal enum OutputStream
{
    /// <summary>Standard output.</summary>
    Out,

    /// <summary>Standard error.</summary>
    Error,
}

/// <summary>Receives output.</summary>
internal delegate void OutputSink(OutputStream stream, ReadOnlySpan<byte> piece);
