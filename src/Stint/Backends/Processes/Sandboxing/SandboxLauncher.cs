using Stint.Backends.Processes.Spawning;
using Stint.Functions;

namespace Stint.Backends.Processes.Sandboxing;

/// <summary>Runs runtimes as processes of this host: in the sandbox, or plainly when isolation was given up.</summary>
/// <param name="host">What they share.</param>
/// <param name="options">Folders and interpreters.</param>
/// <param name="time">For waits.</param>
internal sealed class SandboxLauncher(ProcessHost host, ProcessBackendOptions options, TimeProvider time) : IRuntimeLauncher
{
    /// <inheritdoc/>
    public string? Refusal => host.RefusesToRun ? host.SandboxProblem : null;

    /// <inheritdoc/>
    public bool HasOwnView => host.Sandbox is not null;

    /// <inheritdoc/>
    public ValueTask ReadyAsync(Runtime runtime, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public ValueTask<NetworkAccess> ResolveAsync(NetworkAccess? asked, CancellationToken cancellationToken) =>
        host.Sandbox is null ? new(NetworkAccess.Host) : host.NetworkPolicy.ResolveAsync(asked, cancellationToken);

    /// <inheritdoc/>
    public (NetworkAccess Access, string? Problem) Describe(NetworkAccess? asked) => host.Sandbox is null ? (NetworkAccess.Host, null) : host.NetworkPolicy.Describe(asked);

    /// <inheritdoc/>
    public IRuntimeProcess Create(RuntimePlan plan) => new SandboxedProcess(host, plan.Id, plan.Limits, plan.Key.Network,
        process => host.Sandbox is { } sandbox ? sandbox.Command(InSandbox(plan, process), plan.Output) : Plain(plan, process), time)
    {
        HasGate = host.Sandbox is not null,
    };

    private SandboxPlan InSandbox(RuntimePlan plan, SandboxedProcess process)
    {
        var interpreter = RuntimeCommand.Interpreter(plan.Key.Runtime, options.Interpreters);
        List<SandboxMount> mounts =
        [
            new(plan.Code, SandboxPaths.Code),
            new(options.Runtimes, SandboxPaths.Runtimes),
            new(plan.SocketFolder, SandboxPaths.SocketFolder),
        ];
        if (plan.Secrets is { } secrets) mounts.Add(new(secrets, FunctionSecrets.Folder));
        if (HostPrograms.InstallationOf(interpreter) is { } installation) mounts.Insert(0, new(installation, installation));
        return new SandboxPlan
        {
            Command = RuntimeCommand.For(plan.Key.Runtime, options.Interpreters, SandboxPaths.Runtimes, SandboxPaths.Socket, plan.Key.HeapMiB),
            Mounts = mounts,
            Environment = RuntimeCommand.Environment,
            Network = plan.Key.Network,
            Outbound = process.Outbound,
            TmpMiB = plan.Key.TmpMiB,
            FileMiB = plan.Key.TmpMiB,
            User = process.User,
            JoinFiles = process.JoinFiles,
            Gate = process.Gate,
        };
    }

    // --isolation none: limits where the host has control groups, nothing else.
    private SpawnRequest Plain(RuntimePlan plan, SandboxedProcess process)
    {
        var preamble = Sandbox.Preamble(new SandboxPlan { Command = [], Mounts = [], TmpMiB = plan.Key.TmpMiB, FileMiB = plan.Key.TmpMiB, JoinFiles = process.JoinFiles });
        var socket = Path.Combine(plan.SocketFolder, SandboxPaths.SocketName);
        return new SpawnRequest
        {
            Executable = "/bin/sh",
            Arguments = ["sh", "-c", preamble, "sh", .. RuntimeCommand.For(plan.Key.Runtime, options.Interpreters, options.Runtimes, socket, plan.Key.HeapMiB)],
            Environment = [.. RuntimeCommand.Environment.Select(static variable => $"{variable.Key}={variable.Value}")],
            Output = plan.Output,
        };
    }
}
