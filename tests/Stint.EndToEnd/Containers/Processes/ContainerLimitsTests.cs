using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Sandbox;

namespace Stint.EndToEnd.Containers.Processes;

/// <summary>The limits of the sandbox hold in containers.</summary>
[Collection(TestEngine.Collection)]
public sealed class ContainerLimitsTests(ContainerSandbox shared) : LimitsTests(shared), IClassFixture<ContainerSandbox>;

/// <summary>And so does what a function reaches of the network.</summary>
[Collection(TestEngine.Collection)]
public sealed class ContainerNetworkTests(ContainerSandbox shared) : NetworkTests(shared), IClassFixture<ContainerSandbox>
{
    /// <inheritdoc/>
    // Engines give a container without networks no IPv6, not even the loopback's.
    protected override string NothingListens => "ConnectionRefusedError | OSError";
}
