using System.Net.Sockets;
using System.Text;
using Stint.Backends.Processes.Spawning;

namespace Stint.Backends.Processes.Protocol;

/// <summary>
/// The beginning of an instance's life (docs/runtime-interface.md, "Start"), in two parts that may lie minutes apart: <see cref="GreetAsync"/> until the runtime is up (HELLO), <see cref="LoadAsync"/> until the
/// function is loaded (LOAD, the other connections, READY).
/// </summary>
internal sealed class Handshake(Socket listener, Task<ExitStatus> exited, TimeProvider time) : IDisposable
{
    private const string Version = "1";
    private static readonly TimeSpan LastWords = TimeSpan.FromMilliseconds(500);

    private readonly List<(Socket Socket, FrameReader Reader)> _made = [];

    /// <summary>Waits until the runtime has connected and said HELLO.</summary>
    /// <exception cref="InstanceStartException">It did not.</exception>
    public Task GreetAsync(TimeSpan limit, CancellationToken cancellationToken) => WithinAsync(limit, stop => AcceptAsync(stop), cancellationToken);

    /// <summary>Has the function loaded.</summary>
    /// <param name="load">The LOAD frame.</param>
    /// <param name="connections">Connections in all.</param>
    /// <param name="limit">The longest it may take.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The connections with their readers, in the order in which they came; the caller's from now on.</returns>
    /// <exception cref="InstanceStartException">The function cannot be loaded, or the runtime failed.</exception>
    public async Task<List<(Socket Socket, FrameReader Reader)>> LoadAsync(byte[] load, int connections, TimeSpan limit, CancellationToken cancellationToken)
    {
        await WithinAsync(limit, stop => TalkAsync(load, connections, stop), cancellationToken).ConfigureAwait(false);
        var made = _made.ToList();
        _made.Clear();
        return made;
    }

    /// <summary>Closes the connections that nobody took over.</summary>
    public void Dispose()
    {
        foreach (var (socket, reader) in _made)
        {
            reader.Dispose();
            socket.Dispose();
        }
        _made.Clear();
    }

    /// <summary>The message for an instance that took too long.</summary>
    public static string NotReady(TimeSpan limit) => $"the instance did not get ready within {limit.TotalSeconds:0.#} s";

    private async Task WithinAsync(TimeSpan limit, Func<CancellationToken, Task> talk, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            var running = talk(stop.Token);
            // It may have said why before it went.
            if (await Task.WhenAny(running, exited).ConfigureAwait(false) == exited) stop.CancelAfter(LastWords);
            await running.ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is OperationCanceledException or IOException or SocketException or ProtocolException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new InstanceStartException(failure switch
            {
                ProtocolException => $"the runtime broke the protocol while it started: {failure.Message}",
                _ when timeout.IsCancellationRequested => NotReady(limit),
                _ when exited.IsCompleted => $"the instance ended before it was ready: its process {await exited.ConfigureAwait(false)}",
                _ => "the instance closed its connection before it was ready",
            }, failure);
        }
    }

    private async Task TalkAsync(byte[] load, int connections, CancellationToken cancellationToken)
    {
        var (first, reader) = _made[0];
        await SendAsync(first, load, cancellationToken).ConfigureAwait(false);
        var verdict = reader.ReadAsync(cancellationToken).AsTask();
        while (_made.Count < connections)
        {
            // The code may fail to load before the runtime opens the other connections.
            var next = AcceptAsync(cancellationToken);
            if (await Task.WhenAny(next, verdict).ConfigureAwait(false) == verdict) await RequireReadyAsync(verdict).ConfigureAwait(false);
            await next.ConfigureAwait(false);
        }
        await RequireReadyAsync(verdict).ConfigureAwait(false);
    }

    private static async Task RequireReadyAsync(Task<Frame?> verdict)
    {
        var frame = await verdict.ConfigureAwait(false) ?? throw new IOException("the connection ended");
        if (frame.Type == FrameType.Failure) throw new InstanceStartException($"the function cannot be loaded: {Encoding.UTF8.GetString(frame.Head.Span)}");
        if (frame.Type != FrameType.Ready) throw new ProtocolException($"a frame of type {(int)frame.Type} where READY was due");
    }

    private async Task AcceptAsync(CancellationToken cancellationToken)
    {
        var socket = await listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
        var reader = new FrameReader(socket);
        _made.Add((socket, reader));
        var hello = await reader.ReadAsync(cancellationToken).ConfigureAwait(false) ?? throw new IOException("the connection ended");
        if (hello.Type != FrameType.Hello) throw new ProtocolException($"a frame of type {(int)hello.Type} where HELLO was due");
        var version = Encoding.UTF8.GetString(hello.Head.Span).Split('\0')[0];
        if (version != Version) throw new ProtocolException($"protocol version '{version}'; this daemon speaks {Version}");
    }

    private static async Task SendAsync(Socket socket, byte[] frame, CancellationToken cancellationToken)
    {
        for (var sent = 0; sent < frame.Length;) sent += await socket.SendAsync(frame.AsMemory(sent), cancellationToken).ConfigureAwait(false);
    }
}
