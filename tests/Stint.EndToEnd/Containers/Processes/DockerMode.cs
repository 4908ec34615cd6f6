using Stint.Backends.Containers;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Processes;

/// <summary>Daemons with <c>backend = "docker"</c>, and what they make at the engine.</summary>
internal static class DockerMode
{
    /// <summary>The flags.</summary>
    public static string[] Flags(TestEngine engine) => ["--backend", "docker", "--docker-host", engine.Address];

    /// <summary>Starts one.</summary>
    public static Task<StintDaemon> StartAsync(TestEngine engine, params string[] more) => StintDaemon.StartAsync([.. Flags(engine), .. more]);

    /// <summary>What daemons have made at the engine and not removed.</summary>
    public static Task<IReadOnlyList<string>> ObjectsAsync(TestEngine engine) => engine.FindLabelledAsync(ContainerLabels.Daemon);
}
