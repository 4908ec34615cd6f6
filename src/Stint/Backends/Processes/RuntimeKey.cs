using Stint.Functions;

namespace Stint.Backends.Processes;

/// <summary>What of a runtime's sandbox is fixed when it is made, so that a spare fits every function with the same key.</summary>
/// <param name="Runtime">The language.</param>
/// <param name="TmpMiB">Size of <c>/tmp</c>.</param>
/// <param name="Network">What of the network it reaches.</param>
/// <param name="HeapMiB">Memory that the interpreter is told of at its start; zero for those that are not told.</param>
internal readonly record struct RuntimeKey(Runtime Runtime, int TmpMiB, NetworkAccess Network, int HeapMiB)
{
    /// <summary>The key of a function. Memory, processes and cpu are not in it: control groups can be changed later.</summary>
    /// <param name="spec">What it asks for.</param>
    /// <param name="network">What of the network it gets.</param>
    public static RuntimeKey Of(ProcessSpec spec, NetworkAccess network) => new(spec.Runtime, spec.TmpMiB, network, spec.Runtime == Runtime.NodeJs ? spec.MemoryMiB : 0);
}
