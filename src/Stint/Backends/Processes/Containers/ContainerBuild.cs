using System.Security.Cryptography;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Processes.Spawning;
using Stint.Functions.Builds;
using Stint.Functions.Deployments;

namespace Stint.Backends.Processes.Containers;

/// <summary>
/// Runs package tools in a container of the runtime's image, with a network (BuildNetwork.cs) and one writable folder. While the daemon is root, that folder belongs to the container's user for as long as the
/// tool runs.
/// </summary>
internal sealed class ContainerBuild(EngineHost host) : IBuildSandbox
{
    private const int TmpMiB = 512;

    // How often the folder is measured. A build may exceed its size by what it writes in between.
    private static readonly TimeSpan MeasureEvery = TimeSpan.FromMilliseconds(500);

    /// <inheritdoc/>
    public string SeenAs(string workFolder) => SandboxPaths.Build;

    /// <inheritdoc/>
    public async Task<BuildExit> RunAsync(BuildCommand command, Action<string> onLine, CancellationToken cancellationToken)
    {
        var container = new OwnedContainer(host, $"stint-build-{RandomNumberGenerator.GetHexString(10, lowercase: true)}", (_, line) => onLine(line));
        // A daemon that is not root can only let a build be itself.
        int? user = Posix.geteuid() == 0 ? host.Users.Take() : null;
        try
        {
            var engine = await host.ReadyAsync(cancellationToken).ConfigureAwait(false);
            var image = await host.Images.GetAsync(command.Runtime, cancellationToken).ConfigureAwait(false);
            var network = await host.BuildNetwork.GetAsync(cancellationToken).ConfigureAwait(false);
            if (user is { } number) WorkFolder.GiveTo(command.WorkFolder, (uint)number);
            await container.CreateAsync(Settings(command, image.Id, network, user ?? (int)Posix.geteuid(), hasInit: !string.IsNullOrEmpty(engine.InitBinary)), cancellationToken).ConfigureAwait(false);
            await container.StartAsync(cancellationToken).ConfigureAwait(false);
            using var limits = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var watch = BuildLimits.WatchAsync(command, MeasureEvery, host.Time, limits.Token);
            if (await Task.WhenAny(container.Exited, watch).ConfigureAwait(false) == watch) return new BuildExit(await watch.ConfigureAwait(false), 128 + Posix.SigKill);
            await limits.CancelAsync().ConfigureAwait(false);
            var status = await container.Exited.ConfigureAwait(false);
            if (container.RanOutOfMemory) onLine($"the build ran out of memory (limit {BuildResources.Limits.MemoryBytes >> 20} MiB)");
            return new BuildExit(BuildEnd.Exited, status.BySignal ? 128 + status.Code : status.Code);
        }
        catch (EngineException failure)
        {
            throw new DeploymentException(DeploymentFault.HostLacks, $"the build's container cannot be run: {ContainerFaults.Explain(failure, command.Runtime, host.Engine.Address)}", failure);
        }
        catch (IOException failure)
        {
            throw new DeploymentException(DeploymentFault.HostLacks, $"the build's container cannot be run: {failure.Message}", failure);
        }
        finally
        {
            await container.DisposeAsync().ConfigureAwait(false);
            if (user is { } number)
            {
                // An engine that went away leaves its containers running; nobody else has this user's number.
                if (!container.IsGone) await UserProcesses.KillAsync(number, host.Time).ConfigureAwait(false);
                WorkFolder.GiveTo(command.WorkFolder, 0);
                host.Users.Return(number);
            }
        }
    }

    private ContainerSettings Settings(BuildCommand command, string image, string network, int user, bool hasInit)
    {
        var limits = RuntimeContainer.Limits(BuildResources.Limits);
        return new ContainerSettings
        {
            Image = image,
            Entrypoint = [""],
            Cmd = command.Arguments,
            Env = [.. command.Environment.Select(static variable => $"{variable.Key}={variable.Value}")],
            Labels = ContainerLabels.Of(host.Daemon, ContainerLabels.BuildRole),
            User = RuntimeContainer.User(user),
            WorkingDir = $"{SandboxPaths.Build}/{command.StartIn}",
            HostConfig = RuntimeContainer.Walls(TmpMiB, (int)(command.SizeLimit >> 20)) with
            {
                Memory = limits.Memory,
                MemorySwap = limits.MemorySwap,
                PidsLimit = limits.PidsLimit,
                Mounts = [new() { Type = "bind", Source = command.WorkFolder, Target = SandboxPaths.Build }],
                NetworkMode = network,
                Init = hasInit,
            },
        };
    }
}
