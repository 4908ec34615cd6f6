using Stint.Deliveries.Storage;
using Stint.Invocations;

namespace Stint.Tests.Deliveries;

/// <summary>A store of entries, as <see cref="EntryStoreContract"/> uses it.</summary>
internal abstract class EntryStoreRig : IAsyncDisposable
{
    /// <summary>The store.</summary>
    public abstract IEntryStore Store { get; }

    /// <summary>Bodies beside it.</summary>
    public abstract IBodyStore Bodies { get; }

    /// <summary>How much it takes.</summary>
    public abstract StoreLimits Limits { get; }

    /// <summary>The clock of whoever uses it.</summary>
    public abstract TimeProvider Time { get; }

    public static FunctionName Name(string text = "f") => FunctionName.TryParse(text, out var name) ? name : throw new ArgumentException(text);

    public Entry Call(string id, string function = "f", bool keepsId = true, byte[]? body = null, string? file = null) => new(
        Entry.CallKind, $"call:{function}", Name(function), id, id, [1, 2, 3], body ?? [7], file, body?.Length ?? 1, keepsId, Time.GetUtcNow());

    public Entry Result(string id, string target = "t", string function = "f", byte[]? body = null) => new(
        "kind", $"kind:{target}", Name(function), id, "call-" + id, [1], body ?? [7], null, body?.Length ?? 1, false, Time.GetUtcNow());

    public Lease Lease(string owner = "me", int seconds = 3600) => new(owner, Time.GetUtcNow(), Time.GetUtcNow() + TimeSpan.FromSeconds(seconds));

    /// <summary>As the next run of the daemon finds it.</summary>
    public abstract Task ReopenAsync();

    /// <summary>What is durable at this moment, whatever happens to the process.</summary>
    public abstract Task<IEntryStore> OpenOtherAsync();

    /// <summary>Lets time pass.</summary>
    public abstract Task AdvanceAsync(TimeSpan time);

    /// <summary>How many bodies are kept.</summary>
    public abstract Task<int> CountBodiesAsync();

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
