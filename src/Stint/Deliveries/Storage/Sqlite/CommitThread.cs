// Durability costs one wait for the disk for each commit, whatever is in it. So one thread has the connection; whoever wants something changed queues up, and while the disk is busy with
// one commit, everything that comes is gathered for the next:
//
//   callers      ──▶ queue ──▶ BEGIN · all that is queued · COMMIT (fsync) ──▶ each caller's task ends
//
// Alone, a caller waits for one fsync; sixty-four share one. Nothing is delayed for the sake of gathering.
using System.Diagnostics.CodeAnalysis;

namespace Stint.Deliveries.Storage.Sqlite;

/// <summary>Runs changes of a database in groups, each group one transaction.</summary>
internal sealed class CommitThread : IAsyncDisposable
{
    /// <summary>Changes in one transaction. Arbitrary: far beyond what makes the disk's part small, and short enough not to make the first one wait.</summary>
    private const int MaxGroup = 512;

    private readonly object _gate = new(); // a Lock has no Wait and Pulse
    private readonly Queue<Change> _queue = new();
    private readonly SqliteDatabase _database;
    private readonly Action _undo;
    private readonly Action _committed;
    private readonly Func<SqliteException, StoreException> _describe;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _stopping;
    private long _commits, _changes;

    /// <summary>Starts the thread, which owns the connection from now on.</summary>
    /// <param name="database">The connection.</param>
    /// <param name="committed">Called after each commit, before callers are told.</param>
    /// <param name="undo">Called after each transaction that failed.</param>
    /// <param name="describe">Puts a failure into words for people.</param>
    public CommitThread(SqliteDatabase database, Action committed, Action undo, Func<SqliteException, StoreException> describe)
    {
        (_database, _committed, _undo, _describe) = (database, committed, undo, describe);
        new Thread(Run) { IsBackground = true, Name = "store commits" }.Start();
    }

    /// <summary>Transactions so far.</summary>
    public long Commits => Interlocked.Read(ref _commits);

    /// <summary>Changes in them.</summary>
    public long Changes => Interlocked.Read(ref _changes);

    /// <summary>Has a change made; the task ends when it is durable.</summary>
    /// <param name="change">May run twice, the first time for nothing; on the thread, within a transaction.</param>
    /// <exception cref="StoreException">By way of the task.</exception>
    public Task<T> RunAsync<T>(Func<T> change)
    {
        var queued = new Change<T>(change);
        lock (_gate)
        {
            if (_stopping) return Task.FromException<T>(new StoreException("the daemon is stopping"));
            _queue.Enqueue(queued);
            Monitor.Pulse(_gate);
        }
        return queued.Task;
    }

    /// <summary>Makes what is queued durable, then closes the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _stopping = true;
            Monitor.Pulse(_gate);
        }
        await _ended.Task.ConfigureAwait(false);
    }

    private void Run()
    {
        var group = new List<Change>();
        while (Take(group))
        {
            if (!TryCommit(group, out _))
            {
                // One of them may be too large for what room there is; the others are not to suffer from it.
                foreach (var change in group)
                    if (!TryCommit([change], out var failure)) change.Fail(failure);
            }
            foreach (var change in group) change.Succeed();
            group.Clear();
        }
        _database.Dispose();
        _ended.SetResult();
    }

    private bool Take(List<Change> group)
    {
        lock (_gate)
        {
            while (_queue.Count == 0)
            {
                if (_stopping) return false;
                Monitor.Wait(_gate);
            }
            while (group.Count < MaxGroup && _queue.TryDequeue(out var change)) group.Add(change);
            return true;
        }
    }

    private bool TryCommit(IReadOnlyList<Change> group, [NotNullWhen(false)] out Exception? failure)
    {
        try
        {
            _database.Execute("BEGIN IMMEDIATE");
            foreach (var change in group) change.Run();
            _database.Execute("COMMIT");
            _committed();
            Interlocked.Increment(ref _commits);
            Interlocked.Add(ref _changes, group.Count);
            failure = null;
            return true;
        }
        catch (Exception exception)
        {
            failure = exception is SqliteException refused ? _describe(refused) : exception;
            RollBack();
            _undo();
            if (exception is SqliteException { IsFull: true }) ShrinkLog();
            return false;
        }
    }

    private void RollBack()
    {
        try
        {
            _database.Execute("ROLLBACK");
        }
        catch (SqliteException)
        {
            // SQLite has done it by itself, as it does when the disk is full; or BEGIN failed.
        }
    }

    // What is in the log goes to its pages, and the log's own room is free for what has to be ended.
    private void ShrinkLog()
    {
        try
        {
            _database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
        }
        catch (SqliteException)
        {
            // There was not even room for that.
        }
    }

    private abstract class Change
    {
        public abstract void Run();

        public abstract void Succeed();

        public abstract void Fail(Exception failure);
    }

    private sealed class Change<T>(Func<T> change) : Change
    {
        private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T? _result;

        public Task<T> Task => _done.Task;

        public override void Run() => _result = change();

        public override void Succeed() => _done.TrySetResult(_result!);

        public override void Fail(Exception failure) => _done.TrySetException(failure);
    }
}
