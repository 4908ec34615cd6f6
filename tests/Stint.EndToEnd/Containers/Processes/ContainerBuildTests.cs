using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;
using Stint.EndToEnd.Functions;

namespace Stint.EndToEnd.Containers.Processes;

/// <summary>Dependencies are built in containers as they are in the sandbox.</summary>
[Collection(TestEngine.Collection)]
public sealed class ContainerBuildTests(ContainerDaemon shared) : BuildTests(shared), IClassFixture<ContainerDaemon>
{
    /// <inheritdoc/>
    // An image has folders of its own with those names.
    protected override IReadOnlyList<string> HostFolders => ["/etc/shadow", "/home", "/var/lib", "/var/run/docker.sock"];
}

/// <summary>A daemon whose functions run in containers.</summary>
public sealed class ContainerDaemon(TestEngine engine) : SharedDaemon
{
    /// <inheritdoc/>
    protected override IReadOnlyList<string> Flags => DockerMode.Flags(engine);
}
