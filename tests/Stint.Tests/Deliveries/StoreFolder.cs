using Microsoft.Extensions.Logging.Abstractions;
using Stint.Deliveries;
using Stint.Deliveries.Storage;
using Stint.Deliveries.Storage.Sqlite;
using Stint.Invocations;
using Stint.Tests.Functions;

namespace Stint.Tests.Deliveries;

/// <summary>A store in a folder of its own, which can be opened again, and copied as a power cut would leave it.</summary>
internal sealed class StoreFolder : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private int _copies;

    public StoreFolder(TimeProvider? time = null, StoreLimits? limits = null)
    {
        Time = time ?? TimeProvider.System;
        // No reserve: the machine that tests run on may be nearly full.
        Limits = limits ?? new StoreLimits { Reserve = 0 };
        Store = Open(_folder["async"]);
    }

    public TimeProvider Time { get; }

    public StoreLimits Limits { get; }

    public SqliteEntryStore Store { get; private set; }

    public BodyFiles Bodies { get; private set; } = null!;

    public string Folder => _folder["async"];

    public static FunctionName Name(string text = "f") => FunctionName.TryParse(text, out var name) ? name : throw new ArgumentException(text);

    public Entry Call(string id, string function = "f", bool keepsId = true, byte[]? body = null, string? file = null) => new(
        Entry.CallKind, $"call:{function}", Name(function), id, id, [1, 2, 3], body ?? [7], file, body?.Length ?? 1, keepsId, Time.GetUtcNow());

    public Entry Result(string id, string target = "t", string function = "f", byte[]? body = null) => new(
        "kind", $"kind:{target}", Name(function), id, "call-" + id, [1], body ?? [7], null, body?.Length ?? 1, false, Time.GetUtcNow());

    public Lease Lease(string owner = "me", int seconds = 60) => new(owner, Time.GetUtcNow(), Time.GetUtcNow() + TimeSpan.FromSeconds(seconds));

    /// <summary>As the next run of the daemon finds it.</summary>
    public async Task ReopenAsync()
    {
        await Store.DisposeAsync();
        Store = Open(Folder);
    }

    /// <summary>What is on disk at this moment, with nothing closed, flushed or finished, opened elsewhere.</summary>
    public SqliteEntryStore OpenCopy()
    {
        var copy = _folder[$"copy{++_copies}"];
        Directory.CreateDirectory(Path.Combine(copy, "bodies"));
        // The log last: whatever a checkpoint moves meanwhile is in one of the two.
        foreach (var name in new[] { StoreSlot.FileName, StoreSlot.FileName + "-wal" })
            if (File.Exists(Path.Combine(Folder, name))) File.Copy(Path.Combine(Folder, name), Path.Combine(copy, name));
        return SqliteEntryStore.Open(Path.Combine(copy, StoreSlot.FileName), new BodyFiles(Path.Combine(copy, "bodies"), 0), Limits, Time);
    }

    public StoreSlot Slot() => new(Folder, Limits, Time, NullLogger<StoreSlot>.Instance);

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        _folder.Dispose();
    }

    private SqliteEntryStore Open(string folder)
    {
        Directory.CreateDirectory(folder);
        Bodies = new BodyFiles(Path.Combine(folder, "bodies"), 0);
        return SqliteEntryStore.Open(Path.Combine(folder, StoreSlot.FileName), Bodies, Limits, Time);
    }
}
