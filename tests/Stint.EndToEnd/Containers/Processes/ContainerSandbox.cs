using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Sandbox;
using Stint.Network;

namespace Stint.EndToEnd.Containers.Processes;

/// <summary>The sandbox's attacker, victim and networked function, in containers.</summary>
public sealed class ContainerSandbox(TestEngine engine) : SandboxDaemon
{
    /// <inheritdoc/>
    protected override IReadOnlyList<string> Flags => DockerMode.Flags(engine);

    /// <summary>Where the engine is.</summary>
    private protected override Task<NetworkNamespace?> MakeNamespaceAsync() => Task.FromResult<NetworkNamespace?>(null);
}
