using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;
using Stint.EndToEnd.Sandbox;

namespace Stint.EndToEnd.Containers.Processes;

/// <summary>The sandbox's attacker, victim and networked function, in containers.</summary>
public sealed class ContainerSandbox(TestEngine engine) : SandboxDaemon
{
    /// <inheritdoc/>
    protected override IReadOnlyList<string> Flags => DockerMode.Flags(engine);
}

/// <summary>How a daemon with <c>backend = "docker"</c> is started in tests.</summary>
internal static class DockerMode
{
    /// <summary>The flags.</summary>
    public static string[] Flags(TestEngine engine) => ["--backend", "docker", "--docker-host", engine.Address];

    /// <summary>Starts one.</summary>
    public static Task<StintDaemon> StartAsync(TestEngine engine, params string[] more) => StintDaemon.StartAsync([.. Flags(engine), .. more]);
}
