using System.Security.Cryptography;

namespace Stint.Cluster.Store;

/// <summary>A blob as a stream, chunk by chunk; hashes what passes. Only asynchronous reads.</summary>
/// <param name="hash">The blob's name.</param>
/// <param name="fetch">Gives a chunk by number; null behind the last one.</param>
internal sealed class BlobReader(string hash, Func<string, int, CancellationToken, Task<byte[]?>> fetch) : Stream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA3_256);
    private ReadOnlyMemory<byte> _chunk;
    private int _next;
    private bool _isAtEnd;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.Length == 0) return 0;
        while (_chunk.Length == 0)
        {
            if (_isAtEnd) return 0;
            if (await fetch(hash, _next++, cancellationToken).ConfigureAwait(false) is { } chunk) _chunk = chunk;
            else _isAtEnd = true;
            _hash.AppendData(_chunk.Span);
        }
        var count = Math.Min(buffer.Length, _chunk.Length);
        _chunk[..count].CopyTo(buffer);
        _chunk = _chunk[count..];
        return count;
    }

    /// <summary>Reads what is left and requires that all of it has the hash it is named by.</summary>
    /// <exception cref="StoreException">It has not: nothing that was read may be used.</exception>
    public async Task RequireWholeAsync(CancellationToken cancellationToken)
    {
        var rest = new byte[4096];
        while (await ReadAsync(rest, cancellationToken).ConfigureAwait(false) > 0) { }
        if (Convert.ToHexStringLower(_hash.GetHashAndReset()) != hash)
            throw new StoreException(StoreFault.Corrupt, $"the blob {hash[..12]} of the store does not have the hash it is named by: it was altered, or is incomplete; deploy the function again, with any change");
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Flush() { }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _hash.Dispose();
        base.Dispose(disposing);
    }
}
