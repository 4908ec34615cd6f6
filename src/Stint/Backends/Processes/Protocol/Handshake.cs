using System.Net.Sockets;
using System.Text;
using Stint.Backends.Processes.Spawning;

namespace Stint.Backends.Processes.Protocol;

/// <summary>The beginning of an instance's life (docs/runtime-interface.md, "Start"): HELLO, LOAD, the other connections, READY.</summary>
internal sealed class Handshake(Socket listener, int connections, byte[] load)
{
    private const string Version = "1";

    /// <summary>Runs it.</summary>
    /// <param name="exited">Ends when the process does.</param>
    /// <param name="limit">The longest it may take.</param>
    /// <param name="time">For the limit.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The connections with their readers, in the order in which they came.</returns>
    /// <exception cref="InstanceStartException">The instance did not get ready.</exception>
    public async Task<List<(Socket Socket, FrameReader Reader)>> RunAsync(Task<ExitStatus> exited, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        var made = new List<(Socket Socket, FrameReader Reader)>();
        try
        {
            var running = TalkAsync(made, stop.Token);
            if (await Task.WhenAny(running, exited).ConfigureAwait(false) == exited)
            {
                // It may have said why before it went.
                stop.CancelAfter(TimeSpan.FromMilliseconds(500));
            }
            await running.ConfigureAwait(false);
            return made;
        }
        catch (Exception failure) when (failure is OperationCanceledException or IOException or SocketException or ProtocolException or InstanceStartException)
        {
            foreach (var (socket, reader) in made)
            {
                reader.Dispose();
                socket.Dispose();
            }
            cancellationToken.ThrowIfCancellationRequested();
            if (failure is InstanceStartException) throw;
            if (failure is ProtocolException) throw new InstanceStartException($"the runtime broke the protocol while it started: {failure.Message}", failure);
            if (timeout.IsCancellationRequested) throw new InstanceStartException($"the instance did not get ready within {limit.TotalSeconds:0.#} s", failure);
            if (exited.IsCompleted) throw new InstanceStartException($"the instance ended before it was ready: its process {await exited.ConfigureAwait(false)}", failure);
            throw new InstanceStartException($"the instance closed its connection before it was ready", failure);
        }
    }

    private async Task TalkAsync(List<(Socket Socket, FrameReader Reader)> made, CancellationToken cancellationToken)
    {
        var (first, reader) = await AcceptAsync(made, cancellationToken).ConfigureAwait(false);
        await SendAsync(first, load, cancellationToken).ConfigureAwait(false);
        var verdict = reader.ReadAsync(cancellationToken).AsTask();
        while (made.Count < connections)
        {
            // The code may fail to load before the runtime opens the other connections.
            var next = AcceptAsync(made, cancellationToken);
            if (await Task.WhenAny(next, verdict).ConfigureAwait(false) == verdict)
            {
                await RequireReadyAsync(verdict).ConfigureAwait(false);
                await next.ConfigureAwait(false);
                continue;
            }
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

    private async Task<(Socket Socket, FrameReader Reader)> AcceptAsync(List<(Socket Socket, FrameReader Reader)> made, CancellationToken cancellationToken)
    {
        var socket = await listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
        var reader = new FrameReader(socket);
        made.Add((socket, reader));
        var hello = await reader.ReadAsync(cancellationToken).ConfigureAwait(false) ?? throw new IOException("the connection ended");
        if (hello.Type != FrameType.Hello) throw new ProtocolException($"a frame of type {(int)hello.Type} where HELLO was due");
        var version = Encoding.UTF8.GetString(hello.Head.Span).Split('\0')[0];
        if (version != Version) throw new ProtocolException($"protocol version '{version}'; this daemon speaks {Version}");
        return (socket, reader);
    }

    private static async Task SendAsync(Socket socket, byte[] frame, CancellationToken cancellationToken)
    {
        for (var sent = 0; sent < frame.Length;) sent += await socket.SendAsync(frame.AsMemory(sent), cancellationToken).ConfigureAwait(false);
    }
}
