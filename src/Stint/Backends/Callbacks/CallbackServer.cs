using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;

namespace Stint.Backends.Callbacks;

/// <summary>
/// Takes the callbacks of guests that say by themselves that they are ready: <c>GET /ready/ID</c> → <c>ok</c>. It listens only where <see cref="ListenAsync(IPAddress, CancellationToken)"/> says, and starts with the first
/// such address.
/// </summary>
internal sealed partial class CallbackServer : IHttpApplication<IFeatureCollection>, IAsyncDisposable
{
    private const string Prefix = "/ready/";

    // A guest makes one short request; all of this is for those that do something else.
    private const int ConnectionsPerGuest = 4;
    private static readonly TimeSpan RequestLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan QuietAfterWarning = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, ExpectedCallback> _expected = new(StringComparer.Ordinal);
    private readonly SocketTransportFactory _sockets;
    private readonly ILoggerFactory _loggers;
    private readonly MergedListeners _listeners;
    private readonly KestrelServer _server;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _starting = new(1);
    private bool _started;
    private long _warnedAt;
    private int _unsaid;

    /// <param name="port">The port of every address (<c>callback-port</c>).</param>
    /// <param name="time">For limits.</param>
    /// <param name="loggers">For Kestrel and for callbacks that nobody expects.</param>
    public CallbackServer(int port, TimeProvider time, ILoggerFactory loggers)
    {
        (Port, _time, _logger) = (port, time, loggers.CreateLogger<CallbackServer>());
        _warnedAt = time.GetTimestamp() - (long)(QuietAfterWarning.TotalSeconds * time.TimestampFrequency);
        var options = new KestrelServerOptions { AddServerHeader = false };
        options.Limits.MaxRequestBodySize = 0;
        options.Limits.MaxRequestHeadersTotalSize = 8 * 1024;
        options.Limits.RequestHeadersTimeout = options.Limits.KeepAliveTimeout = RequestLimit;
        // Never bound: what counts is what is added to the listeners.
        options.Listen(new IPEndPoint(IPAddress.Loopback, port), static listen => listen.Protocols = HttpProtocols.Http1);
        _loggers = loggers;
        _sockets = new SocketTransportFactory(Options.Create(new SocketTransportOptions()), loggers);
        _listeners = new MergedListeners(_sockets, ConnectionsPerGuest);
        _server = new KestrelServer(Options.Create(options), _listeners, loggers);
    }

    /// <summary>The port of every address.</summary>
    public int Port { get; }

    /// <summary>Listens at one more address, until the result is disposed of.</summary>
    /// <exception cref="InstanceStartException">It cannot be bound; the message says what to do.</exception>
    public Task<IAsyncDisposable> ListenAsync(IPAddress address, CancellationToken cancellationToken) => ListenAsync(_sockets, address, cancellationToken);

    /// <summary>Listens with a socket that is bound already, in a network of its own for instance, until the result is disposed of. The socket is the server's from now on.</summary>
    /// <exception cref="InstanceStartException">It does not listen.</exception>
    public Task<IAsyncDisposable> ListenAsync(Socket bound, CancellationToken cancellationToken)
    {
        var factory = new SocketTransportFactory(Options.Create(new SocketTransportOptions { CreateBoundListenSocket = _ => bound }), _loggers);
        return ListenAsync(factory, ((IPEndPoint)bound.LocalEndPoint!).Address, cancellationToken);
    }

    private async Task<IAsyncDisposable> ListenAsync(IConnectionListenerFactory factory, IPAddress address, CancellationToken cancellationToken)
    {
        try
        {
            await StartAsync(cancellationToken).ConfigureAwait(false);
            return await _listeners.AddAsync(factory, new IPEndPoint(address, Port), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or SocketException or AddressInUseException)
        {
            throw new InstanceStartException(
                $"the callback server cannot listen at {address}:{Port}: {failure.Message.TrimEnd('.')}. Stop what uses that port, or choose another with --callback-port", failure) { IsHostsFault = true };
        }
    }

    /// <summary>Expects a callback from an instance that will have this address.</summary>
    /// <param name="from">The address.</param>
    /// <param name="by">What <see cref="ListenAsync(Socket, CancellationToken)"/> returned for the network that it will be in, when addresses do not tell instances apart; null = whichever.</param>
    public ExpectedCallback Expect(IPAddress from, IAsyncDisposable? by = null)
    {
        var expected = new ExpectedCallback(RandomNumberGenerator.GetHexString(32, lowercase: true), from, by, id => _expected.TryRemove(id, out _));
        _expected[expected.Id] = expected;
        return expected;
    }

    /// <summary>The URL that an instance calls.</summary>
    /// <param name="gateway">The host's address in the instance's network.</param>
    /// <param name="callback">The instance's callback.</param>
    public string UrlOf(IPAddress gateway, ExpectedCallback callback) => $"http://{gateway}:{Port}{Prefix}{callback.Id}";

    /// <inheritdoc/>
    public IFeatureCollection CreateContext(IFeatureCollection contextFeatures) => contextFeatures;

    /// <inheritdoc/>
    public void DisposeContext(IFeatureCollection context, Exception? exception) { }

    /// <inheritdoc/>
    public async Task ProcessRequestAsync(IFeatureCollection context)
    {
        var path = context.GetRequiredFeature<IHttpRequestFeature>().Path;
        var caller = context.GetRequiredFeature<IHttpConnectionFeature>().RemoteIpAddress;
        var (status, text) = path.StartsWith(Prefix, StringComparison.Ordinal) ? Take(path[Prefix.Length..], caller, context.Get<IConnectionItemsFeature>()?.Items[MergedListeners.EarKey]) : (StatusCodes.Status404NotFound, "only /ready/ID is here\n");
        var response = context.GetRequiredFeature<IHttpResponseFeature>();
        var body = Encoding.ASCII.GetBytes(text);
        response.StatusCode = status;
        response.Headers.ContentType = "text/plain";
        response.Headers.ContentLength = body.Length;
        await context.GetRequiredFeature<IHttpResponseBodyFeature>().Writer.WriteAsync(body).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        using (var now = new CancellationTokenSource())
        {
            await now.CancelAsync().ConfigureAwait(false);
            if (_started) await _server.StopAsync(now.Token).ConfigureAwait(false);
        }
        _server.Dispose();
        await _listeners.DisposeAsync().ConfigureAwait(false);
        _starting.Dispose();
    }

    /// <summary>UniFaaS answers <c>ok</c> to ids that it does not know, so guests that call late or twice see no error.</summary>
    private (int Status, string Text) Take(string id, IPAddress? caller, object? ear)
    {
        if (!_expected.TryGetValue(id, out var expected))
        {
            Warn(caller, "with an id that no instance has now");
            return (StatusCodes.Status200OK, "ok");
        }
        if (expected.Accept(caller, ear)) return (StatusCodes.Status200OK, "ok");
        Warn(caller, "with the id of another instance; it does not count");
        return (StatusCodes.Status403Forbidden, "this id belongs to another instance\n");
    }

    private void Warn(IPAddress? caller, string what)
    {
        var last = Interlocked.Read(ref _warnedAt);
        var now = _time.GetTimestamp();
        if (_time.GetElapsedTime(last, now) < QuietAfterWarning || Interlocked.CompareExchange(ref _warnedAt, now, last) != last)
        {
            Interlocked.Increment(ref _unsaid);
            return;
        }
        Unexpected(_logger, caller, what, Interlocked.Exchange(ref _unsaid, 0));
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_started) return;
            await _server.StartAsync(this, cancellationToken).ConfigureAwait(false);
            _started = true;
        }
        finally
        {
            _starting.Release();
        }
    }

    [LoggerMessage(260, LogLevel.Warning, "a callback from {Caller} {What} ({Unsaid} more since the last such line)")]
    private static partial void Unexpected(ILogger logger, IPAddress? caller, string what, int unsaid);
}
