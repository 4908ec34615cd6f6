using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Sandbox;

namespace Stint.EndToEnd.Containers.Processes;

/// <summary>The limits of the sandbox hold in containers.</summary>
[Collection(TestEngine.Collection)]
public sealed class ContainerLimitsTests(ContainerSandbox shared) : LimitsTests(shared), IClassFixture<ContainerSandbox>
{
    /// <inheritdoc/>
    // With control groups of the first version the engine's shim reads that a limit was reached from the group, which may be gone by then: the engine then says nothing but that it was killed.
    protected override int Hogs => 8;
}

/// <summary>And so does what a function reaches of the network.</summary>
[Collection(TestEngine.Collection)]
public sealed class ContainerNetworkTests(ContainerSandbox shared) : NetworkTests(shared), IClassFixture<ContainerSandbox>
{
    /// <inheritdoc/>
    // Engines give a container without networks no IPv6, not even the loopback's.
    protected override string NothingListens => "ConnectionRefusedError | OSError";
}
