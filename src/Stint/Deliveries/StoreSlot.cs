using Stint.Deliveries.Storage;
using Stint.Deliveries.Storage.Sqlite;

namespace Stint.Deliveries;

/// <summary>The store of this daemon once it is open, or why there is none: without SQLite's library everything but asynchronous calls and deliveries works.</summary>
/// <param name="folder">Its folder, made when it is opened.</param>
/// <param name="limits">How much may be stored.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">The daemon's log.</param>
/// <param name="shared">Gives a store that several gateways share, instead of one in the folder; null = there is none.</param>
internal sealed partial class StoreSlot(string folder, StoreLimits limits, TimeProvider time, ILogger<StoreSlot> logger, Func<(IEntryStore Store, IBodyStore Bodies)>? shared = null) : IAsyncDisposable
{
    /// <summary>What to do when the library is missing.</summary>
    public const string Cure = "install SQLite (Debian, Ubuntu: apt-get install libsqlite3-0; Fedora: sqlite-libs; Alpine: sqlite-libs; Arch: sqlite) and restart the daemon";

    /// <summary>The database's name in the folder.</summary>
    public const string FileName = "queue.db";

    private ITimer? _sweeps;
    private IBodyStore? _bodies;

    /// <summary>The store; null when there is none.</summary>
    public IEntryStore? Store { get; private set; }

    /// <summary>Bodies beside it. Only when there is a store.</summary>
    public IBodyStore Bodies => _bodies ?? throw new InvalidOperationException("the store is not open");

    /// <summary>Why there is none, for people.</summary>
    public string? Problem { get; private set; } = "the daemon is starting";

    /// <summary>Bytes that a function may still have stored.</summary>
    public long Room(Invocations.FunctionName function) => Store is { Usage: { } usage } ? Math.Max(0, Math.Min(limits.FunctionBytes - usage.Of(function).Bytes, limits.Bytes - usage.Bytes)) : 0;

    /// <summary>Transactions so far, and changes in them.</summary>
    public (long Commits, long Changes) Counters => Store?.Counters ?? default;

    /// <summary>Opens it. A damaged file is set aside, and an empty one begun.</summary>
    public void Open()
    {
        if (shared is not null)
        {
            WarnOfOthers();
            (Store, _bodies) = shared();
            Problem = null;
            BeginSweeps();
            return;
        }
        if (SqliteLibrary.Problem is { } missing)
        {
            Missing(logger, Problem = $"asynchronous calls are kept by SQLite, and {missing}: {Cure}");
            return;
        }
        try
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Store = OpenOrReplace(Path.Combine(folder, FileName));
            Problem = null;
            BeginSweeps();
        }
        catch (Exception failure) when (failure is SqliteException or IOException or UnauthorizedAccessException)
        {
            Missing(logger, Problem = $"asynchronous calls cannot be kept in {folder}: {failure.Message}");
        }
    }

    private string BodiesFolder => Path.Combine(folder, "bodies");

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_sweeps is { } sweeps) await sweeps.DisposeAsync().ConfigureAwait(false);
        if (Store is { } store) await store.DisposeAsync().ConfigureAwait(false);
    }

    private void BeginSweeps() => _sweeps = time.CreateTimer(_ => _ = SweepAsync(), null, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1)); // never faults

    // Left alone: which gateway's calls they are is nothing that the shared store could decide.
    private void WarnOfOthers()
    {
        var path = Path.Combine(folder, FileName);
        if (SqliteLibrary.Problem is not null || !File.Exists(path)) return;
        try
        {
            using var database = new SqliteDatabase(path, readOnly: true);
            if (database.ReadNumber("SELECT count(*) FROM entries WHERE state = 0") is > 0 and var count) LeftAlone(logger, count, path);
        }
        catch (SqliteException)
        {
            // None of ours, or damaged: it is not this run's.
        }
    }

    private SqliteEntryStore OpenOrReplace(string path)
    {
        var bodies = new BodyFiles(BodiesFolder, limits.Reserve);
        try
        {
            _bodies = bodies;
            return SqliteEntryStore.Open(path, bodies, limits, time);
        }
        catch (SqliteException failure) when (failure.IsCorrupt)
        {
            var aside = $"{path}.damaged-{time.GetUtcNow():yyyyMMdd-HHmmss}";
            foreach (var suffix in new[] { "", "-wal", "-shm" })
                if (File.Exists(path + suffix)) File.Move(path + suffix, aside + suffix, overwrite: true);
            Directory.Move(BodiesFolder, Path.Combine(folder, Path.GetFileName(aside) + "-bodies"));
            _bodies = bodies = new BodyFiles(BodiesFolder, limits.Reserve);
            SetAside(logger, path, failure.Message, aside);
            return SqliteEntryStore.Open(path, bodies, limits, time);
        }
    }

    private async Task SweepAsync()
    {
        try
        {
            if (Store is { } store) await store.SweepAsync().ConfigureAwait(false);
        }
        catch (StoreException)
        {
            // In a minute again; whoever cannot be accepted meanwhile hears it.
        }
    }

    [LoggerMessage(401, LogLevel.Error, "{Problem}")]
    private static partial void Missing(ILogger logger, string problem);

    [LoggerMessage(403, LogLevel.Warning, "{Count} asynchronous calls and results wait in {Path}, the queue of this machine from before it had a store: they go on when the daemon is started without 'store'")]
    private static partial void LeftAlone(ILogger logger, long count, string path);

    [LoggerMessage(402, LogLevel.Error, "{Path} is damaged ({Problem}) and was set aside as {Aside}; asynchronous calls that were waiting in it are not run. 'sqlite3 {Aside} .recover' may still read it")]
    private static partial void SetAside(ILogger logger, string path, string problem, string aside);
}
