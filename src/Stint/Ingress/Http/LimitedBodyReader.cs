using System.IO.Pipelines;
using Stint.Invocations;

namespace Stint.Ingress.Http;

/// <summary>A request body that may not be longer than the limit, whatever its headers promised.</summary>
internal sealed class LimitedBodyReader(PipeReader inner, long limit) : PipeReader
{
    private long _consumed;
    private System.Buffers.ReadOnlySequence<byte> _current;

    /// <inheritdoc/>
    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => Check(await inner.ReadAsync(cancellationToken).ConfigureAwait(false));

    /// <inheritdoc/>
    public override bool TryRead(out ReadResult result)
    {
        if (!inner.TryRead(out result)) return false;
        Check(result);
        return true;
    }

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        _consumed += _current.Slice(0, consumed).Length;
        inner.AdvanceTo(consumed, examined);
    }

    /// <inheritdoc/>
    public override void CancelPendingRead() => inner.CancelPendingRead();

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    private ReadResult Check(ReadResult result)
    {
        _current = result.Buffer;
        if (_consumed + result.Buffer.Length <= limit) return result;
        inner.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        throw TooLarge(limit);
    }

    /// <summary>The one wording for it.</summary>
    public static BodyTooLargeException TooLarge(long limit) => new($"the request body is larger than {limit / (1024 * 1024)} MiB, the limit of this daemon (--max-body)");
}
