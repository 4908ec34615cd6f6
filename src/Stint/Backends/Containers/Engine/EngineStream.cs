using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Stint.Backends.Containers.Engine;

/// <summary>An answer that goes on for long: events, logs, a build's progress. Disposing closes its connection.</summary>
internal sealed class EngineStream : IAsyncDisposable
{
    private readonly EngineTransport _transport;
    private readonly EngineCall _call;
    private readonly HttpResponseMessage _answer;
    private readonly PipeReader _reader;

    /// <summary>Takes over an answer of which the headers have come.</summary>
    public EngineStream(EngineTransport transport, EngineCall call, HttpResponseMessage answer, Stream body)
    {
        (_transport, _call, _answer) = (transport, call, answer);
        _reader = PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: 16 * 1024));
    }

    /// <summary>The answer's media type; null when it has none.</summary>
    public string? MediaType => _answer.Content.Headers.ContentType?.MediaType;

    /// <summary>Reads on.</summary>
    /// <exception cref="EngineException">The connection ended in the middle.</exception>
    public async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _reader.ReadAsync(cancellationToken);
        }
        catch (Exception fault) when (EngineTransport.IsOurs(fault, cancellationToken))
        {
            throw _transport.Failure(_call, fault);
        }
    }

    /// <summary>What was used of the last reading, and what was looked at.</summary>
    public void Advance(SequencePosition consumed, SequencePosition examined) => _reader.AdvanceTo(consumed, examined);

    /// <summary>Reads a stream of JSON objects, one a line.</summary>
    /// <exception cref="EngineException">The connection ended in the middle, or something else came.</exception>
    public async IAsyncEnumerable<T> ReadObjectsAsync<T>(JsonTypeInfo<T> type, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class
    {
        while (true)
        {
            var read = await ReadAsync(cancellationToken);
            var rest = read.Buffer;
            while (rest.PositionOf((byte)'\n') is { } end)
            {
                if (Parse(rest.Slice(0, end), type) is { } item) yield return item;
                rest = rest.Slice(rest.GetPosition(1, end));
            }
            if (rest.Length > EngineLimits.Line) throw Unreadable($"an object longer than {EngineLimits.Line >> 20} MiB");
            if (read.IsCompleted)
            {
                if (Parse(rest, type) is { } last) yield return last;
                yield break;
            }
            Advance(rest.Start, rest.End);
        }
    }

    /// <summary>What to throw when the stream holds something that it should not.</summary>
    public EngineException Unreadable(string what, Exception? inner = null) => EngineRefusals.NotAnEngine(_transport.Address, _call, what, inner);

    /// <summary>What to throw when the engine reports an error in the stream.</summary>
    public EngineException Refused(string message) => EngineRefusals.OfStream(_transport.Address, _call, message);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _reader.CompleteAsync();
        _answer.Dispose();
    }

    private T? Parse<T>(in ReadOnlySequence<byte> line, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            var reader = new Utf8JsonReader(line);
            // Builds end their lines with \r\n and may send empty ones.
            return line.Length == 0 || IsBlank(line) ? null : JsonSerializer.Deserialize(ref reader, type);
        }
        catch (JsonException fault)
        {
            throw Unreadable("a line that is not of its API", fault);
        }
    }

    private static bool IsBlank(in ReadOnlySequence<byte> line)
    {
        foreach (var piece in line)
            if (piece.Span.ContainsAnyExcept((byte)'\r', (byte)' ')) return false;
        return true;
    }
}
