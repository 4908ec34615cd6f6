using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Spawning;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends.Processes;

/// <summary>Where runtimes run: in a sandbox of this host's namespaces, or in a container.</summary>
internal interface IRuntimeLauncher
{
    /// <summary>Why nothing may run here, with what to do; null when all is well.</summary>
    string? Refusal { get; }

    /// <summary>Whether runtimes have a view of the file system of their own, in which the code lies at <see cref="Sandboxing.SandboxPaths.Code"/>; else they see the host's folders as they are.</summary>
    bool HasOwnView { get; }

    /// <summary>What of the network a function gets here that asks for this; null = it does not say.</summary>
    /// <exception cref="InstanceStartException">It asks for what it cannot have here; the message says why.</exception>
    ValueTask<NetworkAccess> ResolveAsync(NetworkAccess? asked, CancellationToken cancellationToken);

    /// <summary>What of the network a function has that asks for this, as far as is known now; and why it has less than it should.</summary>
    (NetworkAccess Access, string? Problem) Describe(NetworkAccess? asked);

    /// <summary>Makes what all runtimes of a kind need once, however long that takes; later it costs nothing.</summary>
    /// <exception cref="InstanceStartException">It cannot be made; the message says why.</exception>
    ValueTask ReadyAsync(Runtime runtime, CancellationToken cancellationToken);

    /// <summary>A runtime of that kind; nothing is made yet.</summary>
    IRuntimeProcess Create(RuntimePlan plan);
}

/// <summary>What of a blank runtime does not depend on where it runs.</summary>
internal sealed record RuntimePlan
{
    /// <summary>Names the instance.</summary>
    public required string Id { get; init; }

    /// <summary>Whose it is; null = nobody's yet.</summary>
    public required FunctionName? Function { get; init; }

    /// <summary>What is fixed from the start.</summary>
    public required RuntimeKey Key { get; init; }

    /// <summary>The host's folder that it sees as its code, read-only.</summary>
    public required string Code { get; init; }

    /// <summary>The host's folder with the file <c>socket</c>, on which the daemon listens when the runtime is started.</summary>
    public required string SocketFolder { get; init; }

    /// <summary>The host's folder with the files that it sees in <see cref="FunctionSecrets.Folder"/>, read-only; null = none.</summary>
    public string? Secrets { get; init; }

    /// <summary>What it may use.</summary>
    public required InstanceLimits Limits { get; init; }

    /// <summary>Takes what it prints.</summary>
    public required OutputSink Output { get; init; }
}
