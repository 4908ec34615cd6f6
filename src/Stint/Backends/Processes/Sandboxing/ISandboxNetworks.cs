namespace Stint.Backends.Processes.Sandboxing;

/// <summary>Gives sandboxes their ways to the world: the kernel's own means where the daemon is root, a program of the user's elsewhere.</summary>
internal interface ISandboxNetworks : IAsyncDisposable
{
    /// <summary>Makes sure, once, that there can be any.</summary>
    /// <returns>Null, or why there are none, with what to do.</returns>
    ValueTask<string?> EnsureAsync(CancellationToken cancellationToken);

    /// <summary>Makes one.</summary>
    /// <exception cref="InstanceStartException">It cannot be made; the message says why.</exception>
    ValueTask<SandboxNetwork> TakeAsync(CancellationToken cancellationToken);

    /// <summary>Whether they have been made sure of.</summary>
    bool IsReady { get; }

    /// <summary>Networks that there are now, whether in use or made ahead.</summary>
    int Count { get; }

    /// <summary>Why there are none, as far as anybody has asked; null when there are.</summary>
    string? Problem { get; }

    /// <summary>What an operator should know although there are some.</summary>
    string? Warning { get; }
}
