using System.Net.Sockets;
using Stint.Invocations;

namespace Stint.Backends.Upstream;

/// <summary>A connection that has left HTTP: it belongs to the caller until either side ends it.</summary>
internal sealed class HttpTunnel : ITunnel
{
    // One for each direction of an open tunnel; most WebSockets carry small messages, seldom.
    private const int Piece = 4096;

    private readonly HttpConnection _connection;
    private readonly TaskCompletionSource<bool> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenRegistration _registration;
    private int _isOver;

    /// <summary>Takes the connection over.</summary>
    public HttpTunnel(HttpConnection connection)
    {
        _connection = connection;
        // Nobody may say anything for hours, and nobody tells when a peer has vanished: the kernel asks.
        connection.Socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
    }

    /// <summary>Ends with the tunnel.</summary>
    public Task<bool> Completion => _completion.Task;

    /// <summary>Listens for the caller's departure.</summary>
    public void Watch(CancellationToken cancellationToken) => _registration = cancellationToken.UnsafeRegister(static self => ((HttpTunnel)self!).Dispose(), this);

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken)
    {
        var received = _connection.Received;
        try
        {
            if (received.Count == 0)
            {
                var count = await _connection.Socket.ReceiveAsync(received.Room(Piece), SocketFlags.None, cancellationToken).ConfigureAwait(false);
                if (count == 0) return default;
                received.Received(count);
            }
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            throw new IOException(failure.Message, failure);
        }
        var piece = received.Slice(0, received.Count);
        received.Consume(piece.Length);
        return piece;
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            while (bytes.Length > 0) bytes = bytes[await _connection.Socket.SendAsync(bytes, SocketFlags.None, cancellationToken).ConfigureAwait(false)..];
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            throw new IOException(failure.Message, failure);
        }
    }

    /// <inheritdoc/>
    public void EndWriting()
    {
        try
        {
            _connection.Socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // It has ended altogether.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isOver, 1) != 0) return;
        _registration.Unregister();
        _connection.Dispose();
        _completion.TrySetResult(true);
    }
}
