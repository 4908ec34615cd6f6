using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends.Wasm;

/// <summary>
/// One instance of a WebAssembly function: the right to one call at a time, in whichever runner is free. It holds no process, unless the function asked for one of its own.
/// </summary>
/// <param name="function">The function.</param>
/// <param name="runners">Where its calls run.</param>
/// <param name="own">The same, when they are this instance's alone.</param>
/// <param name="bundle">Keeps the module on disk.</param>
/// <param name="services">What runners use.</param>
internal sealed class WasmInstance(WasmFunction function, RunnerPool runners, RunnerPool? own, IDisposable bundle, RunnerServices services) : IInstance
{
    // A call that nobody waits for any more has so long to end by itself; then its runner is killed. Most calls take less, so that callers who hang up do not cost a process each.
    private static readonly TimeSpan CancelGrace = TimeSpan.FromMilliseconds(100);

    private static readonly ReadOnlySequence<byte> EmptyObject = new("{}"u8.ToArray());

    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop = new();
    private RunningCall? _current;
    private int _isDisposed;

    /// <inheritdoc/>
    public string Id { get; } = RandomNumberGenerator.GetHexString(10, lowercase: true);

    /// <inheritdoc/>
    public Task<string> Ended => _ended.Task;

    private TimeProvider Time => services.Processes.Time;

    /// <inheritdoc/>
    public async ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) return Cancelled(null);
        var running = new RunningCall();
        Volatile.Write(ref _current, running);
        if (_ended.Task.IsCompleted) return Reply.Failure(Outcome.Crashed, "the instance had ended when the call reached it");
        var call = RunAsync(running, invocation, cancellationToken);
        if (!call.IsCompleted)
        {
            await ((Task)call).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!call.IsCompleted) return Cancelled(GiveUpAsync(call, running));
        }
        return await call.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public InstanceUsage ReadUsage() => own?.ReadUsage() ?? default;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0) return;
        _ended.TrySetResult("stopped");
        Volatile.Read(ref _current)?.GiveUp(services.Meter); // a call that is still in it has had all the time that it gets
        await _stop.CancelAsync().ConfigureAwait(false);
        if (own is not null) await own.DisposeAsync().ConfigureAwait(false);
        bundle.Dispose();
        _stop.Dispose();
    }

    private static Reply Cancelled(Task<bool>? completion) => Reply.Failure(Outcome.Cancelled, "the call was cancelled", completion: completion);

    // The runner's process holds nothing of the instance's, so the instance is free again whatever becomes of it.
    private async Task<bool> GiveUpAsync(Task<Reply> call, RunningCall running)
    {
        try
        {
            await ((Task)call).WaitAsync(CancelGrace, Time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (ObjectDisposedException)
        {
            // The instance has been disposed of: the runner goes at once.
        }
        if (!call.IsCompleted) running.GiveUp(services.Meter);
        (await call.ConfigureAwait(false)).Dispose();
        return true;
    }

    /// <summary>Runs a call to its end. Never throws.</summary>
    private async Task<Reply> RunAsync(RunningCall running, Invocation invocation, CancellationToken cancellationToken)
    {
        byte[]? rented = null;
        Runner? runner = null;
        try
        {
            var body = invocation.Body;
            if (invocation.BodyStream is { } stream)
            {
                // Whole before it takes a runner: a caller that sends slowly must not keep one from others.
                (rented, var length, var problem) = await ReadAsync(stream, invocation.BodyLength, cancellationToken).ConfigureAwait(false);
                if (problem is not null) return problem;
                body = new ReadOnlySequence<byte>(rented!, 0, length);
            }
            else if (body.Length > MaxBody)
            {
                return TooLarge();
            }
            if (body.IsEmpty && function.Kind == WasmInterface.FunLess) body = EmptyObject;

            var since = Time.GetTimestamp();
            runner = await runners.TakeAsync(function.Hash, cancellationToken).ConfigureAwait(false);
            services.Meter.Waiting.Record(Time.GetElapsedTime(since));
            if (!running.Begin(runner)) return Cancelled(null);
            await runner.LoadAsync(function, cancellationToken).ConfigureAwait(false);
            var (reply, tidying) = await runner.InvokeAsync(function, invocation, body, TimeLeft(invocation), Id, cancellationToken).ConfigureAwait(false);
            if (!tidying.IsCompletedSuccessfully)
            {
                _ = ReturnAfterAsync(runner, tidying); // never faults; ends with the runner at the latest
                runner = null;
            }
            return reply;
        }
        catch (RunnerEndedException ended)
        {
            if (!running.IsGivenUp) services.Meter.HasDied();
            // Calls before it and after it have nothing to do with it: this instance goes on.
            return Reply.Lost(ended.IsViolation ? Outcome.ContractBroken : Outcome.Crashed, ended.Message);
        }
        catch (InstanceStartException failure)
        {
            return Reply.Failure(Outcome.Unavailable, failure.Message, TimeSpan.FromSeconds(1));
        }
        catch (OperationCanceledException)
        {
            return Cancelled(null);
        }
        finally
        {
            running.End();
            if (runner is not null) runners.Return(runner);
            if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
        }
    }

    // What is longer could not be in the guest's memory.
    private long MaxBody => (long)function.Spec.MemoryMiB << 20;

    private Reply TooLarge() => Reply.Failure(Outcome.TooLarge, $"the body is larger than the memory of {function.Name} ({function.Spec.MemoryMiB} MiB); raise `memory` in [wasm]");

    private TimeSpan TimeLeft(Invocation invocation) => invocation.CallerTimeout is { } callers && callers < function.Version.Spec.Timeout ? callers : function.Version.Spec.Timeout;

    private async ValueTask<(byte[]? Rented, int Length, Reply? Problem)> ReadAsync(PipeReader stream, long? announced, CancellationToken cancellationToken)
    {
        if (announced > MaxBody) return (null, 0, TooLarge());
        var rented = ArrayPool<byte>.Shared.Rent((int)Math.Max(announced ?? 0, 2 * Invocation.MaxInlineBody));
        var length = 0;
        try
        {
            while (true)
            {
                var read = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
                var size = read.Buffer.Length;
                if (length + size > MaxBody)
                {
                    stream.AdvanceTo(read.Buffer.Start);
                    return (rented, 0, TooLarge());
                }
                if (length + size > rented.Length)
                {
                    var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Math.Max(length + size, 2L * rented.Length), MaxBody));
                    rented.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(rented);
                    rented = larger;
                }
                read.Buffer.CopyTo(rented.AsSpan(length));
                length += (int)size;
                stream.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) return (rented, length, null);
            }
        }
        catch (Exception failure) when (failure is IOException or InvalidOperationException)
        {
            return (rented, 0, Reply.Failure(failure is BodyTooLargeException ? Outcome.TooLarge : Outcome.BadRequest, failure.Message));
        }
        catch (OperationCanceledException)
        {
            return (rented, 0, Cancelled(null));
        }
    }

    private async Task ReturnAfterAsync(Runner runner, Task tidying)
    {
        await tidying.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        runners.Return(runner);
    }

    /// <summary>Which runner a call is in, for whoever has to end it.</summary>
    private sealed class RunningCall
    {
        private readonly Lock _lock = new();
        private Runner? _runner;
        private bool _isGivenUp;

        public bool IsGivenUp
        {
            get
            {
                lock (_lock) return _isGivenUp;
            }
        }

        /// <summary>False when it has been given up already.</summary>
        public bool Begin(Runner runner)
        {
            lock (_lock)
            {
                if (_isGivenUp) return false;
                _runner = runner;
                return true;
            }
        }

        public void End()
        {
            lock (_lock) _runner = null;
        }

        public void GiveUp(WasmMeter meter)
        {
            lock (_lock)
            {
                _isGivenUp = true;
                if (_runner is null) return;
                meter.WasKilled();
                _runner.Kill();
            }
        }
    }
}
