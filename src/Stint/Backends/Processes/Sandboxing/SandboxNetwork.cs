using System.Runtime.InteropServices;

namespace Stint.Backends.Processes.Sandboxing;

/// <summary>A way to the world that was made for one sandbox.</summary>
/// <param name="release">Frees it; nothing runs in it any more.</param>
internal sealed class SandboxNetwork(Func<ValueTask> release) : IAsyncDisposable
{
    /// <summary>Its namespace, when the daemon may enter that.</summary>
    public SafeHandle? Namespace { get; init; }

    /// <summary>What stands before bubblewrap to enter the namespace, when a program has to.</summary>
    public IReadOnlyList<string> Enter { get; init; } = [];

    /// <summary>The host's file that is its <c>/etc/resolv.conf</c>.</summary>
    public required string Resolver { get; init; }

    /// <summary>Ends when it leads nowhere any more, because what carried it has ended; null when that cannot be.</summary>
    public Task? Lost { get; init; }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => release();
}
