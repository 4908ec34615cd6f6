namespace Stint.Cluster.Store;

/// <summary>A blob as a stream, chunk by chunk.</summary>
/// <param name="hash">The blob's name.</param>
/// <param name="fetch">Gives a chunk by number; null behind the last one.</param>
internal sealed class BlobReader(string hash, Func<string, int, CancellationToken, Task<byte[]?>> fetch) : HashedStream
{
    private ReadOnlyMemory<byte> _chunk;
    private int _next;
    private bool _isAtEnd;

    /// <summary>Reads what is left and requires that all of it has the hash it is named by.</summary>
    /// <exception cref="StoreException">It has not: nothing that was read may be used.</exception>
    public async Task RequireWholeAsync(CancellationToken cancellationToken)
    {
        if (await EndAsync(cancellationToken).ConfigureAwait(false) != hash)
            throw new StoreException(StoreFault.Corrupt, $"the blob {hash[..12]} of the store does not have the hash it is named by: it was altered, or is incomplete; deploy the function again, with any change");
    }

    /// <inheritdoc/>
    protected override async ValueTask<int> ReadPieceAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (buffer.Length == 0) return 0;
        while (_chunk.Length == 0)
        {
            if (_isAtEnd) return 0;
            if (await fetch(hash, _next++, cancellationToken).ConfigureAwait(false) is { } chunk) _chunk = chunk;
            else _isAtEnd = true;
        }
        var count = Math.Min(buffer.Length, _chunk.Length);
        _chunk[..count].CopyTo(buffer);
        _chunk = _chunk[count..];
        return count;
    }
}
