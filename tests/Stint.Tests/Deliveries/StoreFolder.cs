using Microsoft.Extensions.Logging.Abstractions;
using Stint.Deliveries;
using Stint.Deliveries.Storage;
using Stint.Deliveries.Storage.Sqlite;
using Stint.Tests.Functions;
using Stint.Tests.Time;

namespace Stint.Tests.Deliveries;

/// <summary>A store in a folder of its own, which can be opened again, and copied as a power cut would leave it.</summary>
internal sealed class StoreFolder : EntryStoreRig
{
    private readonly TempFolder _folder = new();
    private SqliteEntryStore _store;
    private BodyFiles _bodies = null!;
    private int _copies;

    public StoreFolder(TimeProvider? time = null, StoreLimits? limits = null)
    {
        Time = time ?? TimeProvider.System;
        // No reserve: the machine that tests run on may be nearly full.
        Limits = limits ?? new StoreLimits { Reserve = 0 };
        _store = Open(_folder["async"]);
    }

    public override TimeProvider Time { get; }

    public override StoreLimits Limits { get; }

    public override SqliteEntryStore Store => _store;

    public override BodyFiles Bodies => _bodies;

    public string Folder => _folder["async"];

    public override async Task ReopenAsync()
    {
        await Store.DisposeAsync();
        _store = Open(Folder);
    }

    public override Task<IEntryStore> OpenOtherAsync() => Task.FromResult<IEntryStore>(OpenCopy());

    public override Task AdvanceAsync(TimeSpan time)
    {
        ((FakeTime)Time).Advance(time);
        return Task.CompletedTask;
    }

    public override Task<int> CountBodiesAsync() => Task.FromResult(Directory.EnumerateFiles(Path.Combine(Folder, "bodies")).Count());

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

    public override async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        _folder.Dispose();
    }

    private SqliteEntryStore Open(string folder)
    {
        Directory.CreateDirectory(folder);
        _bodies = new BodyFiles(Path.Combine(folder, "bodies"), 0);
        return SqliteEntryStore.Open(Path.Combine(folder, StoreSlot.FileName), _bodies, Limits, Time);
    }
}
