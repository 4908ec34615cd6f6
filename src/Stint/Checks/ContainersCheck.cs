using Stint.Backends.Containers.Engine;

namespace Stint.Checks;

/// <summary>
/// The container engine: whether it answers this user, is new enough, holds containers to their limits, and has the runtimes and images that functions here name. Without such functions, and with
/// <c>backend = "process"</c>, none is needed.
/// </summary>
internal sealed class ContainersCheck : ICheck
{
    /// <inheritdoc/>
    public async Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        EngineAddress? address = null;
        try
        {
            address = EngineAddress.Find(scope.DockerHost, scope.Variable);
            using var engine = new EngineClient(address, scope.Time);
            return await LookAsync(engine, scope, cancellationToken);
        }
        catch (FormatException wrong)
        {
            return Result(scope.WantsContainers ? CheckStatus.Missing : CheckStatus.Degraded, wrong.Message, "Correct docker-host or DOCKER_HOST.");
        }
        catch (EngineException away) when (scope.WantsContainers)
        {
            return Result(CheckStatus.Missing, away.Message, Cure(away.Fault));
        }
        catch (EngineException)
        {
            return Result(CheckStatus.Fine, $"no engine answers at {address}, and no function here wants one.", null);
        }
    }

    private static async Task<CheckResult> LookAsync(EngineClient engine, CheckScope scope, CancellationToken cancellationToken)
    {
        var isPodman = (await engine.NegotiateAsync(cancellationToken)).IsPodman;
        var info = await engine.ReadInfoAsync(cancellationToken);
        var lacks = new List<(string What, string Cure)>();
        AddLimits(info, lacks);
        if (scope.IsSwarmBackend && info.Swarm is not { ControlAvailable: true })
            lacks.Add((info.Swarm is { LocalNodeState: "active" } ? "it is no manager of its swarm" : "it is in no swarm", "docker swarm init, or name a manager in docker-host"));
        foreach (var need in scope.Containers.Where(static need => need.Runtime is not null).GroupBy(static need => need.Runtime!).OrderBy(static group => group.Key, StringComparer.Ordinal))
        {
            // Podman lists those that it would know, and takes none through this API but its default.
            var isThere = isPodman ? info.DefaultRuntime == need.Key : info.Runtimes.TryGetValue(need.Key, out var runtime) && IsProgram(engine.Address, runtime.Path);
            if (!isThere) lacks.Add(($"no runtime {need.Key} ({Names(need)})", RuntimeCure(need.Key, isPodman)));
        }
        foreach (var need in scope.Containers.GroupBy(static need => need.Image).OrderBy(static group => group.Key, StringComparer.Ordinal))
            if (!await HasImageAsync(engine, need.Key, cancellationToken)) lacks.Add(($"no image {need.Key} ({Names(need)})", $"docker pull {need.Key}, or docker load, or stint image import ROOTFS.tar {need.Key}"));
        var found = $"{(isPodman ? "Podman" : "Docker Engine")} {info.ServerVersion} at {engine.Address}";
        if (scope.IsSwarmBackend && info.Swarm is { ControlAvailable: true } swarm) found += $", a manager of a swarm of {swarm.Nodes} {(swarm.Nodes == 1 ? "node" : "nodes")}";
        return lacks.Count == 0
            ? Result(CheckStatus.Fine, $"{found}, with limits of memory, processes and cpu.", null)
            : Result(CheckStatus.Degraded, $"{found}: {string.Join("; ", lacks.Select(static lack => lack.What))}.", string.Join("; ", lacks.Select(static lack => lack.Cure).Distinct()));
    }

    private static void AddLimits(EngineInfo info, List<(string What, string Cure)> lacks)
    {
        const string Boot = "boot the host with cgroup_enable=memory swapaccount=1 on the kernel's command line";
        if (!info.MemoryLimit) lacks.Add(("memory limits do not hold", Boot));
        else if (!info.SwapLimit) lacks.Add(("memory limits do not count swap", Boot));
        if (!info.PidsLimit) lacks.Add(("limits of processes do not hold", "boot a kernel with CONFIG_CGROUP_PIDS"));
        if (!info.CpuQuota) lacks.Add(("limits of cpu do not hold", "boot a kernel with CONFIG_CFS_BANDWIDTH"));
        if (!info.SecurityOptions.Any(static option => option.StartsWith("name=seccomp", StringComparison.Ordinal))) lacks.Add(("no filter of system calls", "use an engine and a kernel with seccomp"));
    }

    private static async Task<bool> HasImageAsync(EngineClient engine, string image, CancellationToken cancellationToken)
    {
        try
        {
            await engine.Images.InspectAsync(image, cancellationToken);
            return true;
        }
        catch (EngineException missing) when (missing.Fault is EngineFault.NoImage or EngineFault.Rejected)
        {
            return false;
        }
    }

    // Registered and not installed; what lies on another host cannot be seen.
    private static bool IsProgram(EngineAddress address, string? path) => address.SocketPath is null || path is not { Length: > 0 } || (path.Contains('/') ? Tool.IsProgram(path) : Tool.Find(path) is not null);

    private static string RuntimeCure(string runtime, bool isPodman)
    {
        if (isPodman) return $"make {runtime} Podman's default: \"runtime\" under [engine] in /etc/containers/containers.conf";
        var install = runtime is "runsc" or "crun" ? Packages.Install(runtime) : $"install {runtime}";
        return $"{install}, name its program under \"runtimes\" in /etc/docker/daemon.json, then systemctl restart docker";
    }

    private static string Cure(EngineFault fault) => fault switch
    {
        EngineFault.NoEngine => $"{Packages.Install("docker.io", fedora: "moby-engine", alpine: "docker", arch: "docker")} && {(Environment.IsPrivilegedProcess ? "" : "sudo ")}systemctl start docker",
        EngineFault.NoPermission => "sudo usermod -aG docker $USER, then log in again",
        EngineFault.Rejected => Packages.Install("docker.io", fedora: "moby-engine", alpine: "docker", arch: "docker"),
        _ => "journalctl -u docker",
    };

    private static string Names(IEnumerable<ContainerNeed> needs) => string.Join(", ", needs.Select(static need => need.Function).Order(StringComparer.Ordinal));

    private static CheckResult Result(CheckStatus status, string found, string? cure) => new("container engine", status, found, cure, Concern.Containers);
}
