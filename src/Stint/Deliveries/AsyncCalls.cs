// Asynchronous calls: accepted with their body copied, run in the background, their end written to the function's log.
//
// The queue lives in memory: what is in it when the daemon is killed is lost, and a shutdown finishes what it can within the drain time. A queue that survives is a later issue.
using System.Buffers;
using System.Threading.Channels;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Deliveries;

/// <summary>Takes over calls whose callers do not wait for the answer.</summary>
internal sealed partial class AsyncCalls : IAsyncDisposable
{
    /// <summary>Calls that may wait; more are refused.</summary>
    public const int MaxWaiting = 10_000;

    /// <summary>Bytes of bodies that may wait; arbitrary, a small part of a small machine's memory.</summary>
    public const long MaxWaitingBytes = 64 * 1024 * 1024;

    private const int Workers = 32;
    private const int MaxTries = 60;
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);

    private readonly Channel<Invocation> _queue = Channel.CreateBounded<Invocation>(MaxWaiting);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Invocation, ValueTask<Reply>> _invoke;
    private readonly Func<FunctionName, Reply?> _refuse;
    private readonly FunctionLogs _logs;
    private readonly TimeProvider _time;
    private readonly ILogger<AsyncCalls> _logger;
    private readonly Task[] _workers;
    private long _waitingBytes;

    /// <summary>Starts the workers.</summary>
    public AsyncCalls(Func<Invocation, ValueTask<Reply>> invoke, Func<FunctionName, Reply?> refuse, FunctionLogs logs, TimeProvider time, ILogger<AsyncCalls> logger)
    {
        (_invoke, _refuse, _logs, _time, _logger) = (invoke, refuse, logs, time, logger);
        _workers = [.. Enumerable.Range(0, Workers).Select(_ => Task.Run(WorkAsync))];
    }

    /// <summary>Takes a call over, its body copied.</summary>
    /// <returns>Null when accepted, else the reason why not.</returns>
    public async ValueTask<Reply?> AcceptAsync(Invocation invocation)
    {
        if (_refuse(invocation.Function) is { } refusal) return refusal;
        byte[] body;
        try
        {
            body = await CopyBodyAsync(invocation).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException)
        {
            return Reply.Failure(failure is BodyTooLargeException ? Outcome.TooLarge : Outcome.BadRequest, failure.Message);
        }
        if (Interlocked.Add(ref _waitingBytes, body.Length) > MaxWaitingBytes || !_queue.Writer.TryWrite(Detach(invocation, body)))
        {
            Interlocked.Add(ref _waitingBytes, -body.Length);
            return Reply.Overload(Outcome.Shed, "too many asynchronous calls are waiting; try again later", TimeSpan.FromSeconds(5));
        }
        return null;
    }

    /// <summary>Finishes what is queued until the token fires; what is left then is given up, and said so.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        _queue.Writer.TryComplete();
        try
        {
            await Task.WhenAll(_workers).WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            GivenUp(_logger, _queue.Reader.Count);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_workers).ConfigureAwait(false);
        _stop.Dispose();
    }

    private static Invocation Detach(Invocation invocation, byte[] body) => new()
    {
        Function = invocation.Function,
        CallId = invocation.CallId,
        Method = invocation.Method,
        Path = invocation.Path,
        Query = invocation.Query,
        Headers = invocation.Headers,
        From = invocation.From,
        IsFromTrustedProxy = invocation.IsFromTrustedProxy,
        Scheme = invocation.Scheme,
        Body = new ReadOnlySequence<byte>(body),
    };

    private static async ValueTask<byte[]> CopyBodyAsync(Invocation invocation)
    {
        if (invocation.BodyStream is not { } stream) return invocation.Body.ToArray();
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy).ConfigureAwait(false);
        return copy.ToArray();
    }

    private async Task WorkAsync()
    {
        try
        {
            await foreach (var call in _queue.Reader.ReadAllAsync(_stop.Token).ConfigureAwait(false))
            {
                await RunAsync(call).ConfigureAwait(false);
                Interlocked.Add(ref _waitingBytes, -call.Body.Length);
            }
        }
        catch (OperationCanceledException)
        {
            // stopping
        }
    }

    // A platform that is busy is no reason to lose a call that it has accepted; a function that fails has had its chance.
    private async Task RunAsync(Invocation call)
    {
        for (var attempt = 1; ; attempt++)
        {
            using var reply = await _invoke(call).ConfigureAwait(false);
            await FinishAsync(reply).ConfigureAwait(false);
            if (reply.Outcome == Outcome.Answered) return;
            if (reply.Outcome is not (Outcome.Shed or Outcome.Unavailable) || attempt == MaxTries)
            {
                _logs.Append(call.Function, "", "system", $"asynchronous call {call.CallId} failed ({reply.Outcome}): {reply.Error}");
                return;
            }
            await Task.Delay(reply.RetryAfter ?? RetryPause, _time, _stop.Token).ConfigureAwait(false);
        }
    }

    // Nobody wants the answer, but it is read to its end: breaking it off would break off the function.
    private static async ValueTask FinishAsync(Reply reply)
    {
        try
        {
            if (reply.Rest is { } rest)
                while (!(await rest.ReadAsync(default).ConfigureAwait(false)).IsEmpty) { }
        }
        catch (IOException)
        {
            // It broke off by itself.
        }
        if (reply.Completion is { } completion) await completion.ConfigureAwait(false);
    }

    [LoggerMessage(400, LogLevel.Warning, "{Count} asynchronous calls were given up at shutdown")]
    private static partial void GivenUp(ILogger logger, int count);
}
