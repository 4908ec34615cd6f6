using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Stint.Backends.Containers.Engine;

namespace Stint.Tests.Backends.Containers.Engine;

/// <summary>Something that listens on a Unix socket and answers as a test wants it, byte by byte.</summary>
internal sealed class PlayedEngine : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-played-").FullName;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<PlayedCall, Task> _play;
    private readonly Task _accepting;
    private int _open;
    private volatile Exception? _failure;

    /// <summary>Listens. A ping is answered by itself unless <paramref name="play"/> answers it.</summary>
    public PlayedEngine(Func<PlayedCall, Task> play)
    {
        _play = play;
        Address = EngineAddress.Parse(Path.Combine(_folder, "s"));
        _listener.Bind(new UnixDomainSocketEndPoint(Address.SocketPath!));
        _listener.Listen();
        _accepting = AcceptAsync();
    }

    /// <summary>Answers each call with the same bytes and closes.</summary>
    public static PlayedEngine Raw(string answer) => new(call => call.IsPing ? Task.CompletedTask : call.WriteAsync(answer));

    /// <summary>Where it listens.</summary>
    public EngineAddress Address { get; }

    /// <summary>What was asked: method and target.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    /// <summary>Connections that are open now.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>A client of it.</summary>
    public EngineClient Client(TimeProvider? time = null) => new(Address, time ?? TimeProvider.System);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_connections);
        _stop.Dispose();
        Directory.Delete(_folder, recursive: true);
        // Also when the test itself did not notice.
        if (_failure is { } failure) throw new InvalidOperationException($"the script of the played engine failed: {failure.Message}", failure);
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync(_stop.Token);
                _connections.Add(Task.Run(() => ServeAsync(socket)));
            }
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The end.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        Interlocked.Increment(ref _open);
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            while (await ReadAsync(stream) is { } call)
            {
                Asked.Enqueue($"{call.Method} {call.Target}");
                await PlayAsync(call);
                if (!call.IsAnswered && call.IsPing) await call.AnswerAsync(200, "OK", "Api-Version: 1.41\r\n");
                if (!call.IsKept) break;
            }
        }
        catch (Exception end) when (end is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
            // The client has gone, or the test.
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    // A script that fails, as an assertion in it does, would be a connection that broke to the client, which tries such again for ever: it is a refusal instead, of this call and of all that follow, with its reason.
    private async Task PlayAsync(PlayedCall call)
    {
        try
        {
            if (_failure is null) await _play(call);
        }
        catch (Exception failure) when (failure is not (OperationCanceledException or IOException or SocketException or ObjectDisposedException))
        {
            _failure ??= failure;
        }
        if (_failure is { } reason && !call.IsAnswered) await call.AnswerAsync(500, new JsonObject { ["message"] = $"the script of the played engine failed: {reason.Message}" }.ToJsonString());
        else if (_failure is not null) throw new IOException("the script failed in the middle of an answer");
    }

    private async Task<PlayedCall?> ReadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one, _stop.Token) == 0) return null;
            head.Append((char)one[0]);
        }
        var lines = head.ToString().Split("\r\n");
        var length = lines.FirstOrDefault(static line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)) is { } header
            ? int.Parse(header["Content-Length:".Length..].Trim(), CultureInfo.InvariantCulture)
            : 0;
        var body = new byte[length];
        await stream.ReadExactlyAsync(body, _stop.Token);
        var words = lines[0].Split(' ');
        return new PlayedCall(stream, words[0], words[1], Encoding.UTF8.GetString(body), _stop.Token);
    }
}

/// <summary>One request, to be answered or not.</summary>
internal sealed class PlayedCall(NetworkStream stream, string method, string target, string body, CancellationToken stop)
{
    public string Method => method;

    public string Target => target;

    public string Body => body;

    public bool IsPing => target.EndsWith("/_ping", StringComparison.Ordinal);

    /// <summary>Fires when the test ends.</summary>
    public CancellationToken Stop => stop;

    public bool IsAnswered { get; private set; }

    /// <summary>Whether another request may follow on the connection.</summary>
    public bool IsKept { get; private set; }

    /// <summary>A proper answer.</summary>
    public async Task AnswerAsync(int status, string text, string headers = "")
    {
        await WriteAsync($"HTTP/1.1 {status} x\r\nContent-Length: {Encoding.UTF8.GetByteCount(text)}\r\n{headers}\r\n{text}");
        IsKept = true;
    }

    /// <summary>The head of a stream that goes on until the connection ends.</summary>
    public Task BeginAsync() => WriteAsync("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");

    /// <summary>Bytes.</summary>
    public Task WriteAsync(string text) => WriteAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>Bytes.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        IsAnswered = true;
        await stream.WriteAsync(bytes, stop);
    }

    /// <summary>Nothing more until the test ends.</summary>
    public Task HangAsync() => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);
}
