using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
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

    /// <summary>Containers and networks of all daemons, images apart: those are kept for the next daemon.</summary>
    public static async Task<IReadOnlyList<string>> ObjectsAsync(TestEngine engine) =>
    [
        .. (await engine.Client.Containers.ListAsync(EngineFilters.Label(ContainerLabels.Daemon), default)).Select(static container => $"container {string.Join(' ', container.Names)} {container.State}"),
        .. (await engine.Client.Networks.ListAsync(EngineFilters.Label(ContainerLabels.Daemon), default)).Select(static network => $"network {network.Name}"),
    ];
}
