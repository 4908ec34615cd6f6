using System.Net;

namespace Stint.Backends.Callbacks;

/// <summary>One instance's callback, from before its start to its end. Disposing forgets it; safe to repeat.</summary>
/// <param name="id">Unguessable.</param>
/// <param name="from">The address that the instance will have.</param>
/// <param name="by">The listener that it will come to; null = whichever.</param>
/// <param name="forget">Takes the id out of the server's table.</param>
internal sealed class ExpectedCallback(string id, IPAddress from, IAsyncDisposable? by, Action<string> forget) : IDisposable
{
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The last part of the callback URL.</summary>
    public string Id { get; } = id;

    /// <summary>Ends when the instance has called.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Somebody has called with this id; false when it was not the instance.</summary>
    /// <param name="caller">From where.</param>
    /// <param name="ear">The listener that took the call.</param>
    public bool Accept(IPAddress? caller, object? ear)
    {
        if (!from.Equals(caller) || (by is not null && by != ear)) return false;
        _ready.TrySetResult();
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => forget(Id);
}
