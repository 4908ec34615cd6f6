// The connections of one instance. A call takes an idle one or opens another; the pool sees to it that there are never more calls than the instance takes.
//
// Nothing is sent twice: a function's GET may have effects, whatever HTTP says of it. So a connection must be known to be alive before it is used again:
//
//   - it is looked at right before: closed, or with bytes that nobody asked for, it is dropped and another one opened; nothing had been sent
//   - it is not used again after MaxIdle, which is shorter than the patience of every server that we know, so that its end cannot cross with a request
//   - small guests close without a word after each answer. Until a server has shown that it does not, its first idle connection is watched for Probation before it is used; a server that does
//     close gets a connection of its own for every call, and is told so
using System.Net;
using System.Net.Sockets;
using Stint.Invocations;

namespace Stint.Backends.Upstream;

/// <summary>
/// Calls of one instance that serves HTTP on a TCP port. Disposing ends all its connections and the calls on them; the address may be given to another instance only after that.
/// </summary>
internal sealed class HttpUpstream : IDisposable
{
    // Gunicorn closes after 2 s, Node.js and Apache after 5 s, others later.
    private static readonly TimeSpan MaxIdle = TimeSpan.FromSeconds(1);

    // write(); close() of the smallest guest on a busy machine.
    private static readonly TimeSpan Probation = TimeSpan.FromMilliseconds(10);

    private static readonly TimeSpan UsualConnectTimeout = TimeSpan.FromSeconds(5);

    // A guest may say that it is ready a little before it listens.
    private static readonly TimeSpan FirstConnectPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ConnectPause = TimeSpan.FromMilliseconds(5);

    // How long a broken connection waits for the news why the instance ended, before it answers its caller without a reason: when nobody listens any more, and when somebody still does.
    private static readonly TimeSpan ReasonTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LateReason = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly HashSet<HttpConnection> _open = [];
    private readonly Stack<HttpConnection> _idle = [];
    private readonly IPEndPoint _endPoint;
    private readonly string _authority;
    private readonly Task<string> _ended;
    private readonly TimeProvider _time;
    private readonly TimeSpan _connectTimeout;
    private readonly ITimer _sweep;
    private bool _sweepIsSet;
    private volatile bool _isDisposed;
    private volatile bool _hasConnected;
    private volatile bool _keepsAlive;
    private volatile bool _closes;

    /// <summary>Prepares it; nothing is connected yet.</summary>
    /// <param name="endPoint">Where the instance listens.</param>
    /// <param name="concurrentCalls">Calls that it takes at a time; one that takes a single call and does not let go of a cancelled one can serve nobody else.</param>
    /// <param name="ended">Ends, never faulted, with the reason, when the instance has ended; for the callers whose connections end with it.</param>
    /// <param name="time">For limits and waits.</param>
    /// <param name="connectTimeout">How long a connection may take to open; null = as long as is usual for an instance of this host.</param>
    public HttpUpstream(IPEndPoint endPoint, int concurrentCalls, Task<string> ended, TimeProvider time, TimeSpan? connectTimeout = null)
    {
        (_endPoint, _authority, _ended, _time, _connectTimeout) = (endPoint, endPoint.ToString(), ended, time, connectTimeout ?? UsualConnectTimeout);
        IsExclusive = concurrentCalls == 1;
        _sweep = time.CreateTimer(static self => ((HttpUpstream)self!).Sweep(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Where the instance listens.</summary>
    public IPEndPoint EndPoint => _endPoint;

    /// <summary>Ends with the reason when the instance has ended.</summary>
    public Task<string> Ended => _ended;

    /// <summary>Whether the instance serves one call at a time.</summary>
    public bool IsExclusive { get; }

    /// <summary>Heads of answers.</summary>
    public HeadMemory Heads { get; } = new();

    /// <summary>Open connections, idle ones included.</summary>
    public int OpenConnections
    {
        get
        {
            lock (_lock) return _open.Count;
        }
    }

    /// <summary>Runs one call, as <see cref="IInstance.InvokeAsync"/> says. The deadline is the token's: it fires at it.</summary>
    public ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        if (!RequestHead.TryCreate(invocation, _authority, _closes, out var request, out var problem)) return new(Reply.Failure(Outcome.BadRequest, problem));
        return _keepsAlive && !cancellationToken.IsCancellationRequested && TakeIdle() is { } connection
            ? connection.InvokeAsync(invocation, request, cancellationToken)
            : ConnectAndInvokeAsync(invocation, request, cancellationToken);
    }

    /// <summary>Opens a connection for the next call to find, unless there is one, and so finds out whether the instance listens.</summary>
    /// <param name="limit">Gives up after this.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Null when it does, else why not.</returns>
    public async ValueTask<string?> TryConnectAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            var connection = TakeIdle() ?? await OpenAsync(limit, cancellationToken).ConfigureAwait(false);
            PutAside(connection, promisesKeepAlive: false);
            return null;
        }
        catch (SocketException failure)
        {
            return failure.Message;
        }
    }

    /// <summary>Takes back a connection that can serve another call.</summary>
    public void PutAside(HttpConnection connection, bool promisesKeepAlive)
    {
        if (promisesKeepAlive && !_closes) _keepsAlive = true;
        connection.IdleSince = _time.GetTimestamp();
        lock (_lock)
        {
            if (!_isDisposed && !_closes)
            {
                _idle.Push(connection);
                if (_sweepIsSet) return;
                _sweepIsSet = true;
                _sweep.Change(MaxIdle, Timeout.InfiniteTimeSpan);
                return;
            }
        }
        connection.Dispose();
    }

    /// <summary>A connection has ended.</summary>
    public void Forget(HttpConnection connection)
    {
        lock (_lock) _open.Remove(connection);
    }

    /// <summary>A connection that had served a call ended under the next one, before a byte of its answer: the next ones are watched again before they are used.</summary>
    public void DoubtKeepAlive() => _keepsAlive = false;

    /// <summary>Fires when a cancelled call has had time enough to end in the instance. The pool has a limit of its own for instances that cannot serve anybody else meanwhile.</summary>
    public CancellationTokenSource LimitOfLettingGo() => new(IsExclusive ? TimeSpan.FromSeconds(5) : TimeSpan.FromSeconds(1), _time);

    /// <summary>Whether the instance still accepts connections.</summary>
    public async ValueTask<bool> IsAliveAsync()
    {
        if (_ended.IsCompleted || _isDisposed) return false;
        try
        {
            using var probe = await OpenAsync(ProbeTimeout, default).ConfigureAwait(false);
            return !_ended.IsCompleted;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>The reply for a caller whose connection ended before its answer: the death of the instance, or only what happened to this call.</summary>
    /// <param name="what">What the function did to the connection, to follow "the function".</param>
    /// <param name="cancellationToken">The caller's.</param>
    public async ValueTask<Reply> ExplainAsync(string what, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) return Cancelled();
        var isAlive = await IsAliveAsync().ConfigureAwait(false);
        var reason = await ReasonAsync(isAlive ? LateReason : ReasonTimeout, cancellationToken).ConfigureAwait(false);
        if (reason is null && isAlive && !cancellationToken.IsCancellationRequested)
        {
            // Of an instance that is being killed one process may still listen when the connection of another has ended.
            isAlive = await IsAliveAsync().ConfigureAwait(false);
            if (!isAlive) reason = await ReasonAsync(ReasonTimeout, cancellationToken).ConfigureAwait(false);
        }
        if (reason is not null) return Reply.Failure(Outcome.Crashed, reason);
        return isAlive ? Reply.Lost(Outcome.Crashed, $"the function {what}") : Reply.Failure(Outcome.Crashed, $"the function {what}, and accepts no other");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        HttpConnection[] open;
        lock (_lock)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            _idle.Clear();
            open = [.. _open];
        }
        _sweep.Dispose();
        foreach (var connection in open) connection.Dispose();
    }

    private static Reply Cancelled() => Reply.Failure(Outcome.Cancelled, "the call was cancelled");

    private async ValueTask<Reply> ConnectAndInvokeAsync(Invocation invocation, RequestHead request, CancellationToken cancellationToken)
    {
        HttpConnection connection;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            connection = await ProveAsync(cancellationToken).ConfigureAwait(false) ?? await ConnectAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            request.Return();
            return Cancelled();
        }
        catch (SocketException failure)
        {
            request.Return();
            return await RefusedAsync(failure, cancellationToken).ConfigureAwait(false);
        }
        return await connection.InvokeAsync(invocation, request, cancellationToken).ConfigureAwait(false);
    }

    private HttpConnection? TakeIdle()
    {
        while (true)
        {
            HttpConnection? connection;
            lock (_lock)
            {
                if (!_idle.TryPop(out connection)) return null;
            }
            if (_time.GetElapsedTime(connection.IdleSince) < MaxIdle && connection.IsQuiet()) return connection;
            connection.Dispose();
        }
    }

    /// <summary>An idle connection of a server that may be one that closes without a word: it is used when it has stayed open for long enough.</summary>
    private async ValueTask<HttpConnection?> ProveAsync(CancellationToken cancellationToken)
    {
        if (TakeIdle() is not { } connection) return null;
        if (!connection.IsUsed) return connection;
        var age = _time.GetElapsedTime(connection.IdleSince);
        if (age < Probation && !await connection.StaysQuietAsync(Probation - age, _time, cancellationToken).ConfigureAwait(false))
        {
            connection.Dispose();
            _closes = true;
            return null;
        }
        _keepsAlive = true;
        return connection;
    }

    private async ValueTask<HttpConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        for (var since = _time.GetTimestamp(); ;)
        {
            try
            {
                return await OpenAsync(_connectTimeout, cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException failure) when (failure.SocketErrorCode == SocketError.ConnectionRefused && !_hasConnected && !_ended.IsCompleted && _time.GetElapsedTime(since) < FirstConnectPatience)
            {
                await Task.Delay(ConnectPause, _time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <exception cref="SocketException">It cannot be opened.</exception>
    private async ValueTask<HttpConnection> OpenAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        // The address may be another instance's by now.
        if (_isDisposed || _ended.IsCompleted) throw new SocketException((int)SocketError.ConnectionAborted);
        using var timer = new CancellationTokenSource(limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        var socket = new Socket(_endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(_endPoint, either.Token).ConfigureAwait(false);
            var connection = new HttpConnection(socket, this);
            lock (_lock)
            {
                if (_isDisposed) throw new SocketException((int)SocketError.ConnectionAborted);
                _open.Add(connection);
            }
            _hasConnected = true;
            return connection;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new SocketException((int)SocketError.TimedOut);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async ValueTask<Reply> RefusedAsync(SocketException failure, CancellationToken cancellationToken)
    {
        // The host's own want of something says nothing about the instance.
        if (failure.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable or SocketError.AddressNotAvailable or SocketError.ProcessLimit)
            return Reply.Failure(Outcome.Unavailable, $"this host cannot open another connection: {failure.Message}", TimeSpan.FromSeconds(1));
        var reason = await ReasonAsync(ReasonTimeout, cancellationToken).ConfigureAwait(false);
        return cancellationToken.IsCancellationRequested ? Cancelled() : Reply.Failure(Outcome.Crashed, reason ?? $"the instance accepts no connection at {_authority}: {failure.Message}");
    }

    private async ValueTask<string?> ReasonAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        await ((Task)_ended.WaitAsync(limit, _time, cancellationToken)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return _ended.IsCompletedSuccessfully ? await _ended.ConfigureAwait(false) : null;
    }

    /// <summary>Ends idle connections that are too old to be used: a server with one thread may be waiting for their next request.</summary>
    private void Sweep()
    {
        List<HttpConnection> old = [];
        lock (_lock)
        {
            _sweepIsSet = false;
            if (_isDisposed) return;
            var young = _idle.Where(connection => _time.GetElapsedTime(connection.IdleSince) < MaxIdle).Reverse().ToArray();
            old.AddRange(_idle.Except(young));
            _idle.Clear();
            foreach (var connection in young) _idle.Push(connection);
            if (young.Length > 0)
            {
                _sweepIsSet = true;
                _sweep.Change(MaxIdle, Timeout.InfiniteTimeSpan);
            }
        }
        foreach (var connection in old) connection.Dispose();
    }
}
