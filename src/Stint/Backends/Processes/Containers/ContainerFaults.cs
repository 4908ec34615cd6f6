using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;
using Stint.Functions;

namespace Stint.Backends.Processes.Containers;

/// <summary>Words for what goes wrong with containers of process functions in particular.</summary>
internal static class ContainerFaults
{
    /// <summary>What the user is told.</summary>
    /// <param name="failure">The engine's failure.</param>
    /// <param name="runtime">The runtime of the container.</param>
    /// <param name="engine">Where it listens.</param>
    public static string Explain(EngineException failure, Runtime runtime, EngineAddress engine)
    {
        var said = failure.EngineMessage ?? "";
        // Docker: "invalid mount config for type "bind": bind source path does not exist: /x"; Podman: "statfs /x: no such file or directory".
        if (said.Contains("bind source path does not exist", StringComparison.Ordinal) || said.Contains("statfs ", StringComparison.Ordinal))
            return $"the container engine at {engine} does not see this daemon's folders ({said}): it runs on another host, or in another view of the file system. Name an engine of this host (docker-host), or choose folders that both see (--state, --run)";
        // A build's, whose tool is not in the image.
        if (said.Contains("executable file not found", StringComparison.Ordinal))
            return $"the base image of {ImageName.WordOf(runtime)} does not have what this takes ({said}). Name another in docker-base, or make one: stint image build {ImageName.WordOf(runtime)}";
        return failure.Message;
    }
}
