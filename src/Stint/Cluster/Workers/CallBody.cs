using System.Buffers;
using System.IO.Pipelines;
using Stint.Invocations;

namespace Stint.Cluster.Workers;

/// <summary>
/// The body of a gateway's call. It comes by itself, or the gateway keeps it until the call has an instance (100-continue, RFC 9110 section 10.1.1): so both know the same of a call whose worker
/// dies, that it has begun, or that it has not.
/// </summary>
/// <param name="pipe">The request's body; of one that is kept, reading asks for it.</param>
/// <param name="isShort">Whether it is read as a whole; else the instance reads it.</param>
internal sealed class CallBody(PipeReader pipe, bool isShort)
{
    private ReadOnlySequence<byte> _whole;
    private bool _isRead;

    /// <summary>The call whose body it is, from when that is known: before <see cref="TakeAsync"/>.</summary>
    public Invocation? Invocation { get; set; }

    /// <summary>Reads a short body. What it returns is valid until <see cref="Release"/>.</summary>
    public async ValueTask<ReadOnlySequence<byte>> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await pipe.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (read.IsCompleted || read.Buffer.Length > Invocation.MaxInlineBody)
            {
                _isRead = true;
                return _whole = read.Buffer;
            }
            pipe.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>The call begins: asks the gateway for the body, and ends when its first piece, or all of a short one, is here.</summary>
    /// <exception cref="IOException">The gateway is gone, and takes the call for one that has not run.</exception>
    public async ValueTask TakeAsync(CancellationToken cancellationToken)
    {
        if (isShort)
        {
            Invocation!.Body = await ReadAsync(cancellationToken).ConfigureAwait(false);
            return;
        }
        var first = await pipe.ReadAsync(cancellationToken).ConfigureAwait(false);
        pipe.AdvanceTo(first.Buffer.Start);
    }

    /// <summary>Nothing touches the body any more.</summary>
    public void Release()
    {
        if (_isRead) pipe.AdvanceTo(_whole.End);
    }
}
