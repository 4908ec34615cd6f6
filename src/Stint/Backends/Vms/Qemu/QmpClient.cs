// QMP: lines of JSON both ways over one stream. After a greeting and qmp_capabilities, each command is answered with its id; events come in between at any time.
//
// The other end is a program that runs a guest nobody trusts: what it sends is bounded and checked, and anything that is not QMP ends the connection.
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Stint.Backends.Vms.Qemu;

/// <summary>One connection to a QEMU.</summary>
internal sealed class QmpClient : IAsyncDisposable
{
    /// <summary>Longest line. The longest that we ask for, <c>query-migrate</c>, has some hundred bytes.</summary>
    internal const int MaxLine = 256 * 1024;

    private readonly Stream _stream;
    private readonly PipeReader _reader;
    private readonly Action<string, JsonElement?> _onEvent;
    private readonly ConcurrentDictionary<long, TaskCompletionSource<JsonElement>> _pending = new();
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly TaskCompletionSource _greeted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;
    private long _lastId;
    private volatile QmpException? _broken;

    private QmpClient(Stream stream, Action<string, JsonElement?> onEvent)
    {
        (_stream, _onEvent) = (stream, onEvent);
        _reader = PipeReader.Create(stream, new StreamPipeReaderOptions(leaveOpen: true));
        _reading = ReadAsync();
    }

    /// <summary>Ends, never faulted, with the connection: all events have been told then.</summary>
    public Task Ended => _reading;

    /// <summary>Waits for the greeting and takes up commands.</summary>
    /// <param name="stream">The connection, the client's from now on.</param>
    /// <param name="onEvent">Told of each event; must be quick and not throw.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="QmpException">This is no QEMU.</exception>
    public static async Task<QmpClient> OpenAsync(Stream stream, Action<string, JsonElement?> onEvent, CancellationToken cancellationToken)
    {
        var client = new QmpClient(stream, onEvent);
        try
        {
            await client._greeted.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            await client.ExecuteAsync("qmp_capabilities", cancellationToken).ConfigureAwait(false);
            return client;
        }
        catch
        {
            await client.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Runs a command without arguments.</summary>
    /// <exception cref="QmpException">It was refused, or the connection ended.</exception>
    public Task<JsonElement> ExecuteAsync(string command, CancellationToken cancellationToken) => SendAsync(command, null, cancellationToken);

    /// <summary>Runs a command.</summary>
    /// <exception cref="QmpException">It was refused, or the connection ended.</exception>
    public Task<JsonElement> ExecuteAsync<T>(string command, T arguments, JsonTypeInfo<T> type, CancellationToken cancellationToken) =>
        SendAsync(command, JsonSerializer.SerializeToElement(arguments, type), cancellationToken);

    /// <summary>Runs a command and reads its result.</summary>
    /// <exception cref="QmpException">It was refused, the connection ended, or the result is not what it should be.</exception>
    public async Task<T> QueryAsync<T>(string command, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        var result = await SendAsync(command, null, cancellationToken).ConfigureAwait(false);
        try
        {
            return result.Deserialize(type) ?? throw new QmpException($"QEMU answered {command} with nothing");
        }
        catch (JsonException nonsense)
        {
            throw new QmpException($"QEMU answered {command} with something else: {nonsense.Message}", nonsense);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync().ConfigureAwait(false);
        await _reading.ConfigureAwait(false);
        _writing.Dispose();
    }

    private async Task<JsonElement> SendAsync(string command, JsonElement? arguments, CancellationToken cancellationToken)
    {
        var id = Interlocked.Increment(ref _lastId);
        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        _pending[id] = answer;
        try
        {
            // Looked at after the entry is there: whoever breaks the connection fails what is in the table.
            if (_broken is { } broken) throw broken;
            var line = JsonSerializer.SerializeToUtf8Bytes(new QmpRequest(command, arguments, id), QmpJson.Default.QmpRequest);
            await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await _stream.WriteAsync((byte[])[.. line, (byte)'\n'], cancellationToken).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is IOException or ObjectDisposedException)
            {
                throw new QmpException($"QEMU took no command any more: {failure.Message}", failure);
            }
            finally
            {
                _writing.Release();
            }
            return await answer.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _pending.TryRemove(id, out _);
        }
    }

    // Never faults: what goes wrong is the answer of every command.
    private async Task ReadAsync()
    {
        var reason = new QmpException("QEMU closed its connection");
        try
        {
            while (true)
            {
                var result = await _reader.ReadAsync().ConfigureAwait(false);
                var buffer = result.Buffer;
                while (buffer.PositionOf((byte)'\n') is { } end)
                {
                    Take(buffer.Slice(0, end));
                    buffer = buffer.Slice(buffer.GetPosition(1, end));
                }
                if (buffer.Length > MaxLine) throw new QmpException($"QEMU sent a line of more than {MaxLine} bytes");
                _reader.AdvanceTo(buffer.Start, buffer.End);
                if (result.IsCompleted) break;
            }
        }
        catch (QmpException violation)
        {
            reason = violation;
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            reason = new QmpException($"the connection to QEMU broke: {failure.Message}", failure);
        }
        _broken = reason;
        _greeted.TrySetException(reason);
        _ = _greeted.Task.Exception; // seen
        foreach (var pending in _pending.Values) pending.TrySetException(reason);
        await _reader.CompleteAsync().ConfigureAwait(false);
    }

    private void Take(in ReadOnlySequence<byte> line)
    {
        if (line.Length > MaxLine) throw new QmpException($"QEMU sent a line of more than {MaxLine} bytes");
        QmpMessage? message;
        try
        {
            var reader = new Utf8JsonReader(line);
            message = JsonSerializer.Deserialize(ref reader, QmpJson.Default.QmpMessage);
        }
        catch (JsonException nonsense)
        {
            throw new QmpException($"QEMU sent something that is not QMP: {nonsense.Message}", nonsense);
        }
        switch (message)
        {
            case { Greeting: not null }:
                _greeted.TrySetResult();
                break;
            case { Event: { } name }:
                _onEvent(name, message.Data);
                break;
            case { Id: { } id, Error: { } error } when _pending.TryGetValue(id, out var refused):
                refused.TrySetException(new QmpException($"QEMU refused: {error.Description}"));
                break;
            case { Id: { } id, Return: { } result } when _pending.TryGetValue(id, out var answered):
                answered.TrySetResult(result);
                break;
            case { Id: null, Error: { } error }:
                throw new QmpException($"QEMU did not understand a command: {error.Description}");
        }
    }
}
