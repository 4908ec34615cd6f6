// Several sockets that come and go behind the one listener that Kestrel knows:
//
//   gateway 10.101.0.1:3000 ─┐  accept, count
//   gateway 10.101.0.33:3000 ┼──────────────▶ channel ──▶ AcceptAsync ──▶ Kestrel
//   …                        ┘
using System.Collections.Concurrent;
using System.Net;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;

namespace Stint.Backends.Callbacks;

/// <summary>Listeners that are added and removed while the server runs. The server binds it once, to whatever.</summary>
/// <param name="sockets">Makes the real listeners.</param>
/// <param name="perSource">Connections that one remote address may have open; more are cut.</param>
internal sealed class MergedListeners(IConnectionListenerFactory sockets, int perSource) : IConnectionListenerFactory, IConnectionListener
{
    /// <summary>Under this key a connection's items have what <see cref="AddAsync(IPEndPoint, CancellationToken)"/> returned for the listener that took it.</summary>
    public static readonly object EarKey = new();

    private readonly Channel<ConnectionContext> _accepted = Channel.CreateBounded<ConnectionContext>(64);
    private readonly ConcurrentDictionary<(Listening Ear, IPAddress Source), int> _open = new();
    private readonly ConcurrentDictionary<Listening, bool> _listeners = new();

    /// <inheritdoc/>
    public EndPoint EndPoint { get; private set; } = new IPEndPoint(IPAddress.None, 0);

    /// <summary>Begins to listen at an address; disposing of the result ends it.</summary>
    /// <exception cref="AddressInUseException">Somebody else listens there.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The address cannot be bound.</exception>
    public Task<IAsyncDisposable> AddAsync(IPEndPoint endpoint, CancellationToken cancellationToken) => AddAsync(sockets, endpoint, cancellationToken);

    /// <summary>Begins to listen with what a factory makes.</summary>
    public async Task<IAsyncDisposable> AddAsync(IConnectionListenerFactory factory, IPEndPoint endpoint, CancellationToken cancellationToken)
    {
        var listener = await factory.BindAsync(endpoint, cancellationToken).ConfigureAwait(false);
        var listening = new Listening(this, listener);
        _listeners[listening] = true;
        return listening;
    }

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        EndPoint = endpoint;
        return new(this);
    }

    /// <inheritdoc/>
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (await _accepted.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
            if (_accepted.Reader.TryRead(out var connection)) return connection;
        return null;
    }

    /// <inheritdoc/>
    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        foreach (var listening in _listeners.Keys) await listening.DisposeAsync().ConfigureAwait(false);
        _accepted.Writer.TryComplete();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await UnbindAsync().ConfigureAwait(false);
        while (_accepted.Reader.TryRead(out var connection)) await connection.DisposeAsync().ConfigureAwait(false);
    }

    private async Task PassOnAsync(Listening ear, ConnectionContext connection)
    {
        connection.Items[EarKey] = ear;
        // In different networks, one address may be several guests'.
        var source = (ear, (connection.RemoteEndPoint as IPEndPoint)?.Address ?? IPAddress.None);
        var count = _open.AddOrUpdate(source, 1, static (_, open) => open + 1);
        connection.ConnectionClosed.Register(() => Closed(source));
        if (count <= perSource)
        {
            try
            {
                await _accepted.Writer.WriteAsync(connection).ConfigureAwait(false);
                return;
            }
            catch (ChannelClosedException)
            {
                // the server stops
            }
        }
        connection.Abort(new ConnectionAbortedException("too many connections of one guest"));
        await connection.DisposeAsync().ConfigureAwait(false);
    }

    private void Closed((Listening, IPAddress) source)
    {
        // The entry of an address without connections goes, unless another connection has come in between.
        if (_open.AddOrUpdate(source, 0, static (_, open) => open - 1) <= 0) _open.TryRemove(new KeyValuePair<(Listening, IPAddress), int>(source, 0));
    }

    /// <summary>One real listener and the loop that accepts its connections.</summary>
    private sealed class Listening : IAsyncDisposable
    {
        private readonly MergedListeners _owner;
        private readonly IConnectionListener _listener;
        private readonly Task _loop;

        public Listening(MergedListeners owner, IConnectionListener listener)
        {
            (_owner, _listener) = (owner, listener);
            _loop = Task.Run(AcceptAllAsync);
        }

        public async ValueTask DisposeAsync()
        {
            if (!_owner._listeners.TryRemove(this, out _)) return;
            await _listener.UnbindAsync().ConfigureAwait(false);
            await _loop.ConfigureAwait(false);
            await _listener.DisposeAsync().ConfigureAwait(false);
        }

        private async Task AcceptAllAsync()
        {
            // Null when the listener is unbound; a socket's own failures are its factory's to retry.
            while (await _listener.AcceptAsync().ConfigureAwait(false) is { } connection) await _owner.PassOnAsync(this, connection).ConfigureAwait(false);
        }
    }
}
