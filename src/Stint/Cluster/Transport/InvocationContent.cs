using System.Buffers;
using System.Net;
using Stint.Invocations;

namespace Stint.Cluster.Transport;

/// <summary>
/// A call's body on its way to a worker. One that is held can be sent again, to another worker; one that is streamed only as long as nothing has been taken of it: the worker asks for it (100-continue)
/// when the call has an instance. So it does for one that is held when the gateway wants to know that the call begins.
/// </summary>
internal sealed class InvocationContent : HttpContent
{
    private readonly Invocation _invocation;
    private readonly Lock _lock = new();
    private TaskCompletionSource<bool>? _sending;
    private bool _isClosed;

    /// <param name="invocation">The call, with a body.</param>
    public InvocationContent(Invocation invocation)
    {
        _invocation = invocation;
        if (invocation.BodyStream is null) Headers.ContentLength = invocation.Body.Length;
        else if (invocation.BodyLength is { } length) Headers.ContentLength = length;
    }

    /// <summary>Something of a streamed body has been taken: it cannot be sent again.</summary>
    public bool IsSpent { get; private set; }

    /// <summary>The worker has been given the body, or the beginning of it; of one that is kept for it, that it has asked.</summary>
    public bool HasStarted
    {
        get { lock (_lock) return _sending is not null; }
    }

    /// <summary>What was wrong with the caller's body; null when nothing was.</summary>
    public IOException? Fault { get; private set; }

    /// <summary>Begins nothing any more; ends when nothing of the body is touched any more.</summary>
    public Task<bool> CloseAsync()
    {
        lock (_lock)
        {
            _isClosed = true;
            return _sending?.Task ?? Task.FromResult(true);
        }
    }

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var sending = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_isClosed || IsSpent) throw new OperationCanceledException("the body is not sent any more");
            _sending = sending;
        }
        try
        {
            if (_invocation.BodyStream is null)
            {
                await WriteAsync(stream, _invocation.Body, cancellationToken).ConfigureAwait(false);
                return;
            }
            await StreamAsync(stream, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            sending.SetResult(true);
        }
    }

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = _invocation.BodyStream is null ? _invocation.Body.Length : _invocation.BodyLength ?? 0;
        return _invocation.BodyStream is null || _invocation.BodyLength is not null;
    }

    // Kestrel reads in pieces of 4 KiB. Each one written would be a frame of its own, and a way to another thread and back.
    private static async ValueTask WriteAsync(Stream stream, ReadOnlySequence<byte> body, CancellationToken cancellationToken)
    {
        if (body.IsSingleSegment)
        {
            await stream.WriteAsync(body.First, cancellationToken).ConfigureAwait(false);
            return;
        }
        var joined = ArrayPool<byte>.Shared.Rent((int)Math.Min(body.Length, Invocation.MaxInlineBody));
        try
        {
            while (!body.IsEmpty)
            {
                var part = body.Slice(0, Math.Min(body.Length, joined.Length));
                part.CopyTo(joined);
                await stream.WriteAsync(joined.AsMemory(0, (int)part.Length), cancellationToken).ConfigureAwait(false);
                body = body.Slice(part.Length);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(joined);
        }
    }

    private async Task StreamAsync(Stream stream, CancellationToken cancellationToken)
    {
        var reader = _invocation.BodyStream!;
        IsSpent = true;
        while (true)
        {
            System.IO.Pipelines.ReadResult read;
            try
            {
                read = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or Microsoft.AspNetCore.Http.BadHttpRequestException)
            {
                // The caller's side: too large, broken off. The worker must not take what came before for all of it.
                Fault = e as IOException ?? new IOException(e.Message, e);
                throw new IOException(e.Message, e);
            }
            try
            {
                await WriteAsync(stream, read.Buffer, cancellationToken).ConfigureAwait(false);
                // A caller that sends little at a time is not kept waiting for more of it.
                await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                reader.AdvanceTo(read.Buffer.End);
            }
            if (read.IsCompleted) return;
        }
    }
}
