using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace Stint.Tests.Runtimes;

/// <summary>
/// The daemon's side of one runtime, over a real Unix socket, with the real interpreter and no sandbox. Owns the process, the socket and the
/// function's folder; disposing ends and removes them all.
/// </summary>
internal sealed class RuntimePeer : IAsyncDisposable
{
    /// <summary>A guard against a runtime that hangs, far beyond what any test needs.</summary>
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("stint-rt-").FullName;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly List<NetworkStream> _connections = [];
    private readonly ConcurrentQueue<string> _log = new();
    private readonly CancellationTokenSource _guard = new(Guard, TimeProvider.System);
    private Process? _process;
    private Task _output = Task.CompletedTask;

    /// <summary>Where the function's files are.</summary>
    public string Code => Path.Combine(_folder, "code");

    /// <summary>Everything that the runtime and the function printed.</summary>
    public string Log => string.Join('\n', _log);

    /// <summary>Cancels when a test takes far too long.</summary>
    public CancellationToken Token => _guard.Token;

    /// <summary>The function's process.</summary>
    public Process Process => _process!;

    /// <summary>Starts the runtime and takes its HELLO.</summary>
    public static async Task<RuntimePeer> StartAsync(RuntimeLanguage language)
    {
        var peer = new RuntimePeer();
        Directory.CreateDirectory(peer.Code);
        var path = Path.Combine(peer._folder, "socket");
        peer._listener.Bind(new UnixDomainSocketEndPoint(path));
        peer._listener.Listen(64);
        var start = new ProcessStartInfo(language.Interpreter) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])[.. language.Arguments, path]) start.ArgumentList.Add(argument);
        start.Environment.Remove("HOME");
        peer._process = Process.Start(start)!;
        peer._process.StandardInput.Close();
        peer._output = Task.WhenAll(peer.CollectAsync(peer._process.StandardOutput), peer.CollectAsync(peer._process.StandardError));
        await peer.AcceptAsync();
        Assert.Equal((FrameType.Hello, "1", language.Name), ((await peer.ReadAsync()) is { Type: var type, Head: [var version, var name] }) ? (type, version, name) : default);
        return peer;
    }

    /// <summary>Starts the runtime with a function in it that is ready.</summary>
    public static async Task<RuntimePeer> LoadAsync(RuntimeLanguage language, Dictionary<string, string> files, int connections = 1, params string[] environment)
    {
        var peer = await StartAsync(language);
        peer.Write(files);
        var answer = await peer.LoadAsync(connections, environment);
        Assert.True(answer.Type == FrameType.Ready, $"{answer.Type} {string.Join(' ', answer.Head)}\n{peer.Log}");
        return peer;
    }

    /// <summary>Starts the runtime with a function of one file.</summary>
    public static Task<RuntimePeer> LoadAsync(RuntimeLanguage language, string source, int connections = 1, params string[] environment) =>
        LoadAsync(language, new Dictionary<string, string> { [language.MainFile] = source }, connections, environment);

    /// <summary>Writes the function's files, <c>.sh</c> files executable.</summary>
    public void Write(Dictionary<string, string> files)
    {
        foreach (var (name, text) in files)
        {
            var path = Path.Combine(Code, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
            if (name.EndsWith(".sh", StringComparison.Ordinal) && !OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    /// <summary>Sends LOAD, accepts the further connections, and returns the answer on the first one.</summary>
    public async Task<RuntimeFrame> LoadAsync(int connections = 1, params string[] environment)
    {
        await SendAsync(new RuntimeFrame(FrameType.Load, false, 0, [Code, $"{connections}", .. environment], []));
        for (var i = 1; i < connections; i++)
        {
            await AcceptAsync();
            Assert.Equal(FrameType.Hello, (await ReadAsync(i)).Type);
        }
        return await ReadAsync();
    }

    /// <summary>Sends one frame.</summary>
    public Task SendAsync(RuntimeFrame frame, int connection = 0) => SendAsync(frame.ToBytes(), connection);

    /// <summary>Sends bytes as they are.</summary>
    public async Task SendAsync(byte[] bytes, int connection = 0) => await _connections[connection].WriteAsync(bytes, Token);

    /// <summary>The next frame.</summary>
    public Task<RuntimeFrame> ReadAsync(int connection = 0) => RuntimeFrame.ReadAsync(_connections[connection], Token);

    /// <summary>A REQUEST's head and first piece.</summary>
    public static RuntimeFrame Request(byte[] body, bool more = false, string method = "POST", string path = "/", string query = "", params string[] headers) =>
        new(FrameType.Request, more, 0, [method, path, query, "call-1", "60000", .. headers], body);

    /// <summary>One call with a text body.</summary>
    public Task<RuntimeAnswer> CallAsync(string body = "", string method = "POST", string path = "/", string query = "", int connection = 0, params string[] headers) =>
        CallAsync(Encoding.UTF8.GetBytes(body), method, path, query, connection, headers);

    /// <summary>One call: sends the body in as many frames as it needs while it reads the answer.</summary>
    public async Task<RuntimeAnswer> CallAsync(byte[] body, string method = "POST", string path = "/", string query = "", int connection = 0, params string[] headers)
    {
        var sending = SendRequestAsync();
        var answer = await AnswerAsync(connection);
        await sending;
        return answer;

        async Task SendRequestAsync()
        {
            await Task.Yield();
            for (var at = 0; at == 0 || at < body.Length; at += RuntimeFrame.Piece)
            {
                var piece = body.AsSpan(at, Math.Min(RuntimeFrame.Piece, body.Length - at)).ToArray();
                var more = at + piece.Length < body.Length;
                await SendAsync(at == 0 ? Request(piece, more, method, path, query, headers) : new RuntimeFrame(FrameType.Body, more, 0, [], piece), connection);
            }
        }
    }

    /// <summary>Reads frames up to the end of an answer.</summary>
    public async Task<RuntimeAnswer> AnswerAsync(int connection = 0)
    {
        using var body = new MemoryStream();
        RuntimeFrame? head = null;
        for (var frames = 1; ; frames++)
        {
            var frame = await ReadAsync(connection);
            if (frame.Type == FrameType.Failure)
                return new(head?.Status ?? 500, head?.Pairs() ?? [], body.ToArray(), frames, Assert.Single(frame.Head));
            Assert.Equal(head is null ? FrameType.Response : FrameType.Body, frame.Type);
            head ??= frame;
            body.Write(frame.Body);
            if (!frame.More) return new(head.Status, head.Pairs(), body.ToArray(), frames, null);
        }
    }

    /// <summary>Waits until the log contains a text.</summary>
    public Task LogContainsAsync(string text) => UntilAsync(() => Log.Contains(text, StringComparison.Ordinal));

    /// <summary>Waits until a condition holds.</summary>
    public async Task UntilAsync(Func<bool> condition)
    {
        while (!condition()) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
    }

    /// <summary>Closes a connection, as the daemon does when it has no more use for the instance.</summary>
    public void Close(int connection = 0) => _connections[connection].Dispose();

    /// <summary>The runtime's exit code, once it has ended.</summary>
    public async Task<int> ExitAsync()
    {
        await Process.WaitForExitAsync(Token);
        await _output;
        return Process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections) connection.Dispose();
        _listener.Dispose();
        if (_process is { } process)
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
            process.Dispose();
        }
        _guard.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task AcceptAsync() => _connections.Add(new(await _listener.AcceptAsync(Token), ownsSocket: true));

    private async Task CollectAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line) _log.Enqueue(line);
    }
}
