using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;
using Stint.Backends;
using Stint.Backends.Callbacks;

namespace Stint.Tests.Backends.Callbacks;

/// <summary>The whole block 127.0.0.0/8 is this host's, so it gives as many gateways and guests as a test wants.</summary>
public sealed class CallbackServerTests : IAsyncLifetime, IDisposable
{
    private static readonly IPAddress Gateway = IPAddress.Parse("127.1.0.1");
    private static readonly IPAddress OtherGateway = IPAddress.Parse("127.1.0.33");
    private static readonly IPAddress Guest = IPAddress.Parse("127.1.0.2");
    private static readonly IPAddress OtherGuest = IPAddress.Parse("127.1.0.3");
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly LogLines _log = new();
    private readonly ILoggerFactory _loggers;
    private CallbackServer _server = null!;

    public CallbackServerTests() => _loggers = LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Warning).AddProvider(_log));

    public Task InitializeAsync()
    {
        // A port that is free at this moment; the kernel gives no other socket the same one so soon again.
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(Gateway, 0));
        _server = new CallbackServer(((IPEndPoint)probe.LocalEndPoint!).Port, TimeProvider.System, _loggers);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync() => await _server.DisposeAsync();

    public void Dispose()
    {
        _loggers.Dispose();
        _log.Dispose();
    }

    [Fact]
    public async Task A_callback_from_its_instance_makes_it_ready()
    {
        await using var listening = await _server.ListenAsync(Gateway, default);
        using var mine = _server.Expect(Guest);
        using var other = _server.Expect(OtherGuest);
        Assert.NotEqual(mine.Id, other.Id);
        Assert.Equal($"http://127.1.0.1:{_server.Port}/ready/{mine.Id}", _server.UrlOf(Gateway, mine));
        Assert.Equal("HTTP/1.1 200 OK … ok", await GetAsync(Gateway, Guest, $"/ready/{mine.Id}"));
        await mine.Ready.WaitAsync(Limit);
        Assert.False(other.Ready.IsCompleted);
        // Guests may call again.
        Assert.Equal("HTTP/1.1 200 OK … ok", await GetAsync(Gateway, Guest, $"/ready/{mine.Id}"));
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task A_callback_from_elsewhere_is_refused_and_does_not_count()
    {
        await using var listening = await _server.ListenAsync(Gateway, default);
        using var mine = _server.Expect(Guest);
        Assert.StartsWith("HTTP/1.1 403 Forbidden", await GetAsync(Gateway, OtherGuest, $"/ready/{mine.Id}"), StringComparison.Ordinal);
        Assert.False(mine.Ready.IsCompleted);
        Assert.Contains("a callback from 127.1.0.3 with the id of another instance", Assert.Single(_log.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_id_is_answered_ok_and_logged_now_and_then()
    {
        await using var listening = await _server.ListenAsync(Gateway, default);
        var gone = _server.Expect(Guest);
        gone.Dispose();
        for (var i = 0; i < 20; i++) Assert.Equal("HTTP/1.1 200 OK … ok", await GetAsync(Gateway, Guest, $"/ready/{gone.Id}"));
        Assert.Equal("HTTP/1.1 200 OK … ok", await GetAsync(Gateway, Guest, "/ready/"));
        Assert.False(gone.Ready.IsCompleted);
        // Twenty requests in a moment; a very slow machine may see a second line.
        Assert.InRange(_log.Lines.Count, 1, 4);
        Assert.DoesNotContain(gone.Id, string.Concat(_log.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_else_is_there()
    {
        await using var listening = await _server.ListenAsync(Gateway, default);
        Assert.StartsWith("HTTP/1.1 404 Not Found", await GetAsync(Gateway, Guest, "/"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 404 Not Found", await GetAsync(Gateway, Guest, "/READY/x"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 400 Bad Request", await AskAsync(Gateway, Guest, "\u0001\u0002garbage\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 431 ", await AskAsync(Gateway, Guest, $"GET /ready/x HTTP/1.1\r\nHost: h\r\nX: {new string('x', 9000)}\r\n\r\n"), StringComparison.Ordinal);
        using var mine = _server.Expect(Guest);
        Assert.Equal("HTTP/1.1 200 OK … ok", await GetAsync(Gateway, Guest, $"/ready/{mine.Id}"));
    }

    [Fact]
    public async Task Addresses_come_and_go()
    {
        var first = await _server.ListenAsync(Gateway, default);
        using var mine = _server.Expect(Guest);
        await Assert.ThrowsAsync<SocketException>(() => GetAsync(OtherGateway, Guest, "/"));
        await using (var second = await _server.ListenAsync(OtherGateway, default))
            Assert.Equal("HTTP/1.1 200 OK … ok", await GetAsync(OtherGateway, Guest, $"/ready/{mine.Id}"));
        await Assert.ThrowsAsync<SocketException>(() => GetAsync(OtherGateway, Guest, "/"));
        await first.DisposeAsync();
        await first.DisposeAsync();
        await Assert.ThrowsAsync<SocketException>(() => GetAsync(Gateway, Guest, "/"));
        await using var again = await _server.ListenAsync(Gateway, default);
        Assert.Equal("HTTP/1.1 200 OK … ok", await GetAsync(Gateway, Guest, $"/ready/{mine.Id}"));
    }

    [Fact]
    public async Task A_taken_address_is_said_with_what_to_do()
    {
        await using var listening = await _server.ListenAsync(Gateway, default);
        await using var second = new CallbackServer(_server.Port, TimeProvider.System, _loggers);
        var failure = await Assert.ThrowsAsync<InstanceStartException>(() => second.ListenAsync(Gateway, default));
        Assert.Contains($"cannot listen at 127.1.0.1:{_server.Port}", failure.Message, StringComparison.Ordinal);
        Assert.Contains("--callback-port", failure.Message, StringComparison.Ordinal);
        Assert.True(failure.IsHostsFault);
        await using var elsewhere = await second.ListenAsync(OtherGateway, default);
    }

    [Fact]
    public async Task A_guest_that_holds_connections_hinders_nobody_else()
    {
        await using var listening = await _server.ListenAsync(Gateway, default);
        using var mine = _server.Expect(Guest);
        var held = new List<Socket>();
        try
        {
            for (var i = 0; i < 300; i++)
            {
                try
                {
                    held.Add(await ConnectAsync(Gateway, OtherGuest));
                }
                catch (SocketException)
                {
                    // cut before the kernel had said that it was there
                }
            }
            Assert.Equal("HTTP/1.1 200 OK … ok", await GetAsync(Gateway, Guest, $"/ready/{mine.Id}"));
            // Of the hoard all but a few have been cut.
            using var limit = new CancellationTokenSource(Limit);
            while (held.Count(static socket => IsOpen(socket)) > 4) await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, limit.Token);
        }
        finally
        {
            foreach (var socket in held) socket.Dispose();
        }
    }

    private static bool IsOpen(Socket socket)
    {
        try
        {
            return !socket.Poll(0, SelectMode.SelectRead) || socket.Available > 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private Task<string> GetAsync(IPAddress gateway, IPAddress from, string path) => AskAsync(gateway, from, $"GET {path} HTTP/1.1\r\nHost: {gateway}\r\nConnection: close\r\n\r\n");

    /// <summary>The status line and the body.</summary>
    private async Task<string> AskAsync(IPAddress gateway, IPAddress from, string request)
    {
        using var limit = new CancellationTokenSource(Limit);
        using var socket = await ConnectAsync(gateway, from);
        await socket.SendAsync(Encoding.Latin1.GetBytes(request), limit.Token);
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        for (int read; (read = await socket.ReceiveAsync(buffer, limit.Token)) > 0;) answer.Append(Encoding.Latin1.GetString(buffer, 0, read));
        var text = answer.ToString();
        return $"{text[..text.IndexOf('\r', StringComparison.Ordinal)]} … {text[(text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..]}";
    }

    private async Task<Socket> ConnectAsync(IPAddress gateway, IPAddress from)
    {
        using var limit = new CancellationTokenSource(Limit);
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(from, 0));
            await socket.ConnectAsync(new IPEndPoint(gateway, _server.Port), limit.Token);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private sealed class LogLines : ILoggerProvider, ILogger
    {
        private readonly List<string> _lines = [];

        public IReadOnlyList<string> Lines
        {
            get { lock (_lines) return [.. _lines]; }
        }

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose() { }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lines) _lines.Add(formatter(state, exception));
        }
    }
}
