// A transaction costs some round trips and one flush of the server's disk, whatever is in it. So while one is under way, everything that comes is gathered for the next:
//
//   callers ──▶ queue ──▶ begin · endings · additions · usage · commit ──▶ each caller's task ends
//
// Endings and additions go together, as arrays; what is rare (revive, drop, sweep) has a transaction of its own, in its turn.
using System.Threading.Channels;
using Npgsql;
using Stint.Cluster.Store;
using Stint.Deliveries.Storage;
using StoreException = Stint.Deliveries.Storage.StoreException;

namespace Stint.Cluster.Queue;

/// <summary>Makes this gateway's changes of the queue, in groups.</summary>
internal sealed class QueueCommits : IAsyncDisposable
{
    /// <summary>Changes in one transaction, and bytes of bodies after which it has enough. Arbitrary: far beyond what makes the flush's part small, and short enough not to make the first one wait.</summary>
    private const int MaxGroup = 512;
    private const long MaxBytes = 4 * 1024 * 1024;

    private readonly Channel<QueueChange> _changes = Channel.CreateUnbounded<QueueChange>(new UnboundedChannelOptions { SingleReader = true });
    private readonly ClusterStore _store;
    private readonly QueueOptions _options;
    private readonly StoreUsage _usage;
    private readonly TimeProvider _time;
    private readonly Task _loop;

    // Few collide, and few rows are to be summed.
    private readonly int _shard = Random.Shared.Next(16);
    private long _commits, _count;

    /// <summary>Begins.</summary>
    public QueueCommits(ClusterStore store, QueueOptions options, StoreUsage usage, TimeProvider time)
    {
        (_store, _options, _usage, _time) = (store, options, usage, time);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Transactions so far, and changes in them.</summary>
    public (long Commits, long Changes) Counters => (Interlocked.Read(ref _commits), Interlocked.Read(ref _count));

    /// <summary>Adds entries.</summary>
    public Task<IReadOnlyList<Addition>> AddAsync(IReadOnlyList<Entry> entries) => EnqueueAsync(new QueueChange.Add(entries)).Task;

    /// <summary>Ends a try.</summary>
    public Task<IReadOnlyList<Addition>> EndAsync(Claimed claimed, Ending ending) => EnqueueAsync(new QueueChange.End(claimed, ending)).Task;

    /// <summary>Does something else in a transaction of its own.</summary>
    public async Task<T> RunAsync<T>(Func<NpgsqlConnection, QueueUsage, CancellationToken, Task<T>> work)
    {
        var result = default(T)!;
        await EnqueueAsync(new QueueChange.Other(async (connection, usage, cancellationToken) => result = await work(connection, usage, cancellationToken).ConfigureAwait(false))).Task.ConfigureAwait(false);
        return result;
    }

    /// <summary>Makes what is queued durable, or fails it.</summary>
    public async ValueTask DisposeAsync()
    {
        _changes.Writer.TryComplete();
        await _loop.ConfigureAwait(false);
    }

    private TaskCompletionSource<IReadOnlyList<Addition>> EnqueueAsync(QueueChange change)
    {
        if (!_changes.Writer.TryWrite(change)) change.Done.SetException(new StoreException("the daemon is stopping"));
        return change.Done;
    }

    private async Task RunAsync()
    {
        var group = new List<QueueChange>();
        while (await _changes.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            group.Clear();
            long bytes = 0;
            while (group.Count < MaxGroup && bytes < MaxBytes && _changes.Reader.TryPeek(out var change))
            {
                if (change is QueueChange.Other && group.Count > 0) break;
                group.Add(change);
                bytes += change.Bytes;
                _changes.Reader.TryRead(out _);
                if (change is QueueChange.Other) break;
            }
            if (await TryCommitAsync(group).ConfigureAwait(false) is not { } failure) continue;
            foreach (var change in group)
            {
                // One of them may be at fault; the others are not to suffer from it. When the server is away, all are.
                var own = group.Count > 1 && failure.InnerException is Store.StoreException { Fault: not StoreFault.Away } ? await TryCommitAsync([change]).ConfigureAwait(false) : failure;
                if (own is not null) change.Done.TrySetException(own);
            }
        }
    }

    private async Task<StoreException?> TryCommitAsync(List<QueueChange> group)
    {
        using var limit = new CancellationTokenSource(_options.Patience, _time);
        try
        {
            var usage = new QueueUsage();
            var additions = await _store.TransactAsync(async connection =>
            {
                var work = new QueueTransaction(connection, usage, _usage, _options.Limits, _time.GetUtcNow(), limit.Token);
                IReadOnlyList<IReadOnlyList<Addition>> result = [[]];
                if (group is [QueueChange.Other other]) await other.Work(connection, usage, limit.Token).ConfigureAwait(false);
                else result = await work.RunAsync(group).ConfigureAwait(false);
                await usage.WriteAsync(connection, _shard, limit.Token).ConfigureAwait(false);
                return result;
            }, limit.Token).ConfigureAwait(false);
            usage.Apply(_usage);
            Interlocked.Increment(ref _commits);
            Interlocked.Add(ref _count, group.Count);
            for (var i = 0; i < group.Count; i++) group[i].Done.TrySetResult(additions[i]);
            return null;
        }
        catch (Store.StoreException failure)
        {
            return new StoreException(failure.Message, inner: failure);
        }
        catch (OperationCanceledException)
        {
            return new StoreException($"the store {_store.Address} did not answer within {_options.Patience.TotalSeconds:0} s");
        }
        catch (Exception failure)
        {
            // Nothing that is expected; whoever waits must hear of it all the same.
            return new StoreException($"the store {_store.Address} cannot be used: {failure.Message}", inner: failure);
        }
    }
}

/// <summary>A change that waits for its transaction.</summary>
internal abstract class QueueChange
{
    /// <summary>Ends when it is durable, with what became of what was to be added.</summary>
    public TaskCompletionSource<IReadOnlyList<Addition>> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Bytes that it sends, roughly.</summary>
    public virtual long Bytes => 0;

    /// <summary>Adds entries.</summary>
    internal sealed class Add(IReadOnlyList<Entry> entries) : QueueChange
    {
        /// <summary>Which.</summary>
        public IReadOnlyList<Entry> Entries => entries;

        /// <inheritdoc/>
        public override long Bytes => entries.Sum(static entry => entry.Head.Length + (long)entry.Body.Length);
    }

    /// <summary>Ends a try.</summary>
    internal sealed class End(Claimed claimed, Ending ending) : QueueChange
    {
        /// <summary>Of what.</summary>
        public Claimed Claimed => claimed;

        /// <summary>How.</summary>
        public Ending Ending => ending;

        /// <summary>What is added with it.</summary>
        public IReadOnlyList<Entry> Then => ending switch { Ending.Done done => done.Then, Ending.Dead dead => dead.Then, _ => [] };

        /// <inheritdoc/>
        public override long Bytes => Then.Sum(static entry => entry.Head.Length + (long)entry.Body.Length);
    }

    /// <summary>Anything else.</summary>
    internal sealed class Other(Func<NpgsqlConnection, QueueUsage, CancellationToken, Task> work) : QueueChange
    {
        /// <summary>What.</summary>
        public Func<NpgsqlConnection, QueueUsage, CancellationToken, Task> Work => work;
    }
}
