using Stint.Backends.Processes.Protocol;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends.Processes;

/// <summary>One instance of a function: its process tree in the sandbox and the connections to it, one for each concurrent request.</summary>
internal sealed class ProcessInstance : IInstance, IConnectionOwner
{
    private readonly Lock _lock = new();
    private readonly Stack<InstanceConnection> _free = new();
    private readonly List<InstanceConnection> _connections = [];
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly FunctionVersion _version;
    private readonly InstanceResources _resources;
    private readonly TimeProvider _time;
    private readonly Action<string> _report;
    private Task? _disposal;

    /// <summary>Takes over what was started; <see cref="Serve"/> begins.</summary>
    /// <param name="version">What it runs.</param>
    /// <param name="resources">What it holds, freed at the end.</param>
    /// <param name="time">For waits.</param>
    /// <param name="report">Told, in one line, what an operator should know.</param>
    public ProcessInstance(FunctionVersion version, InstanceResources resources, TimeProvider time, Action<string> report) =>
        (_version, _resources, _time, _report) = (version, resources, time, report);

    /// <inheritdoc/>
    public string Id => _resources.Id;

    /// <inheritdoc/>
    public Task<string> Ended => _ended.Task;

    /// <summary>Begins to read the connections and to watch the process.</summary>
    public void Serve(IEnumerable<(System.Net.Sockets.Socket Socket, FrameReader Reader)> sockets)
    {
        foreach (var (socket, reader) in sockets)
        {
            var connection = new InstanceConnection(socket, reader, this);
            _connections.Add(connection);
            _free.Push(connection);
        }
        foreach (var connection in _connections) _ = connection.RunAsync(); // never faults; ends with the connection, which we own
        _ = WatchAsync();
    }

    /// <inheritdoc/>
    public ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        InstanceConnection? connection;
        lock (_lock) _free.TryPop(out connection);
        if (connection is null || _ended.Task.IsCompleted) return new(Reply.Failure(Outcome.Crashed, "the instance had ended when the call reached it"));
        var timeLeft = invocation.CallerTimeout is { } own && own < _version.Spec.Timeout ? own : _version.Spec.Timeout;
        return connection.InvokeAsync(invocation, timeLeft, cancellationToken);
    }

    /// <inheritdoc/>
    public InstanceUsage ReadUsage() => _resources.Process?.ReadUsage() ?? default;

    /// <inheritdoc/>
    public void ConnectionFree(InstanceConnection connection)
    {
        lock (_lock) _free.Push(connection);
    }

    /// <inheritdoc/>
    public async Task<string> ConnectionLostAsync(string? violation)
    {
        if (violation is not null)
        {
            _ended.TrySetResult($"the instance broke the protocol: {violation}");
        }
        else if (!_ended.Task.IsCompleted)
        {
            try
            {
                // The process usually ends with its connections; its exit status says more than they do.
                await _resources.Process!.Exited.WaitAsync(_resources.Process.NewsDelay, _time).ConfigureAwait(false);
                _ended.TrySetResult(await DescribeExitAsync().ConfigureAwait(false));
            }
            catch (TimeoutException)
            {
                _ended.TrySetResult("the instance closed its connection");
            }
        }
        _ = DisposeAsync().AsTask(); // reports its own failures
        return await _ended.Task.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (_lock) return new(_disposal ??= ReleaseAsync());
    }

    private async Task ReleaseAsync()
    {
        await Task.Yield(); // not under the caller's lock
        _ended.TrySetResult("stopped");
        foreach (var connection in _connections) connection.Dispose();
        try
        {
            if (await _resources.ReleaseAsync().ConfigureAwait(false) is { } left) _report(left);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or System.ComponentModel.Win32Exception)
        {
            _report($"instance {Id} could not be removed completely: {failure.Message}");
        }
    }

    private async Task WatchAsync()
    {
        await _resources.Process!.Exited.ConfigureAwait(false);
        if (_ended.TrySetResult(await DescribeExitAsync().ConfigureAwait(false))) _ = DisposeAsync().AsTask();
    }

    private async Task<string> DescribeExitAsync()
    {
        var status = await _resources.Process!.Exited.ConfigureAwait(false);
        if (await _resources.Process.RanOutOfMemoryAsync().ConfigureAwait(false)) return $"the instance ran out of memory (limit {_version.Spec.Process!.MemoryMiB} MiB) and was killed";
        // bubblewrap reports a child that a signal killed as 128 + the signal's number, as shells do.
        var text = status is { BySignal: false, Code: > 128 and < 128 + 65 } ? $"was killed by signal {status.Code - 128}" : status.ToString();
        return $"the instance died: its process {text}";
    }
}
