// One runner: a process that holds compiled modules and runs one call at a time. Whatever goes wrong in the conversation ends it; nothing else than its own call is lost.
using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Protocol;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Wasm;

/// <summary>The daemon's end of a runner. Its owner uses it for one thing at a time.</summary>
internal sealed class Runner : IAsyncDisposable
{
    private readonly InstanceResources _resources;
    private readonly Socket _socket;
    private readonly FrameReader _reader;
    private readonly Func<string> _tail;
    private readonly RunnerServices _services;
    private readonly LoadedModules _loaded;
    private int _isEnded;

    private Runner(RunnerServices services, InstanceResources resources, Socket socket, FrameReader reader, Func<string> tail, int memoryMiB)
    {
        (_services, _resources, _socket, _reader, _tail, MemoryMiB) = (services, resources, socket, reader, tail, memoryMiB);
        // Compiled code takes a few times the bytes that it is made of; half of what the runner has beside the calls' own memories is for it.
        _loaded = new LoadedModules(memoryMiB * 1024L * 1024L / 16);
    }

    /// <summary>Names it in messages.</summary>
    public string Id => _resources.Id;

    /// <summary>Its limit.</summary>
    public int MemoryMiB { get; }

    /// <summary>Whether it can serve no more.</summary>
    public bool IsEnded => Volatile.Read(ref _isEnded) != 0 || _resources.Process!.Exited.IsCompleted;

    /// <summary>Ends with the process.</summary>
    public Task Exited => _resources.Process!.Exited;

    /// <summary>When it was given back last.</summary>
    public long IdleSince { get; set; }

    /// <summary>Starts one.</summary>
    /// <exception cref="InstanceStartException">It did not start.</exception>
    public static async Task<Runner> StartAsync(RunnerServices services, int memoryMiB, CancellationToken cancellationToken)
    {
        var (resources, socket, reader, tail) = await services.Processes.StartAsync(memoryMiB, cancellationToken).ConfigureAwait(false);
        services.Meter.HasStarted();
        return new Runner(services, resources, socket, reader, tail, memoryMiB);
    }

    /// <summary>Whether it has compiled a module.</summary>
    public bool Has(string hash) => _loaded.Contains(hash);

    /// <summary>What it uses now.</summary>
    public InstanceUsage ReadUsage() => _resources.Process!.ReadUsage();

    /// <summary>Has a function's module compiled, unless it is.</summary>
    /// <exception cref="InstanceStartException">V8 refuses it; the runner goes on.</exception>
    /// <exception cref="RunnerEndedException">The runner is no more.</exception>
    public async ValueTask LoadAsync(WasmFunction function, CancellationToken cancellationToken)
    {
        if (!_loaded.Use(function.Hash))
        {
            byte[] module;
            try
            {
                module = await File.ReadAllBytesAsync(function.ModulePath, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                throw new InstanceStartException($"the module of {function.Name} cannot be read: {failure.Message}", failure);
            }
            await TalkAsync(async () =>
            {
                foreach (var old in _loaded.MakeRoom(module.Length)) await SendAsync(RunnerFrames.OfHead(RunnerFrames.Forget, old)).ConfigureAwait(false);
                foreach (var (rented, length) in RunnerFrames.Split(RunnerFrames.Module, string.Create(CultureInfo.InvariantCulture, $"{function.Hash}\0{module.Length}\0{function.Pages.Initial}\0{function.Pages.Most}"), 0, module))
                    await SendRentedAsync(rented, length).ConfigureAwait(false);
                var verdict = await NextAsync().ConfigureAwait(false);
                var said = Encoding.UTF8.GetString(verdict.Head.Span);
                if (verdict.Type == FrameType.Failure) throw new InstanceStartException($"the module is not valid: {said}");
                if (verdict.Type != FrameType.Ready) throw Unexpected(verdict);
                _services.Meter.Compiling.Record(TimeSpan.FromMicroseconds(Number(said)));
                _loaded.Add(function.Hash, module.Length);
                return true;
            }, cancellationToken).ConfigureAwait(false);
        }
        if (!_loaded.Define(function.Hash, function.Key)) return;
        await TalkAsync(async () =>
        {
            await SendAsync(function.Definition).ConfigureAwait(false);
            return true;
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs a call of a function that is loaded. A runner whose call has been cancelled goes on with it: kill it.</summary>
    /// <param name="function">The function.</param>
    /// <param name="call">The call.</param>
    /// <param name="body">Its body, complete.</param>
    /// <param name="timeLeft">What it has left of its time.</param>
    /// <param name="instance">Names the instance in the log.</param>
    /// <param name="cancellationToken">Ends requests to the world that the daemon makes for it.</param>
    /// <returns>The reply, and what must have ended before the runner takes the next call.</returns>
    /// <exception cref="RunnerEndedException">The runner is no more.</exception>
    public Task<(Reply Reply, Task Tidying)> InvokeAsync(WasmFunction function, Invocation call, ReadOnlySequence<byte> body, TimeSpan timeLeft, string instance, CancellationToken cancellationToken) => TalkAsync(async () =>
    {
        var first = body.Slice(0, Math.Min(body.Length, Frame.MaxPart));
        var rest = body.Slice(first.Length);
        var request = FrameWriter.Request(call, timeLeft, first, more: !rest.IsEmpty, string.Create(CultureInfo.InvariantCulture, $"{function.Key}\0{body.Length}"));
        if (request is not { } frame) return (Reply.Failure(Outcome.BadRequest, $"the request's headers, path and query together are larger than {Frame.MaxPart} bytes"), Task.CompletedTask);
        await SendRentedAsync(frame.Rented, frame.Length).ConfigureAwait(false);
        while (!rest.IsEmpty)
        {
            var piece = rest.Slice(0, Math.Min(rest.Length, Frame.MaxPart));
            rest = rest.Slice(piece.Length);
            var size = (int)piece.Length;
            var rented = ArrayPool<byte>.Shared.Rent(Frame.HeaderSize + size);
            Frame.WriteHeader(rented, FrameType.Body, more: !rest.IsEmpty, 0, size);
            piece.CopyTo(rented.AsSpan(Frame.HeaderSize));
            await SendRentedAsync(rented, Frame.HeaderSize + size).ConfigureAwait(false);
        }
        LineSplitter? log = null;
        while (true)
        {
            var answer = await NextAsync().ConfigureAwait(false);
            switch (answer.Type)
            {
                case RunnerFrames.Log:
                    log ??= new LineSplitter(line => _services.Logs.Append(function.Name, instance, "stderr", line));
                    log.Take(answer.Body.Span);
                    break;
                case RunnerFrames.Fetch:
                    await FetchAsync(function, answer, cancellationToken).ConfigureAwait(false);
                    break;
                case FrameType.Response:
                    log?.Take([]);
                    return await AnswerAsync(function, answer).ConfigureAwait(false);
                case FrameType.Failure:
                    log?.Take([]);
                    var said = Encoding.UTF8.GetString(answer.Head.Span).Split('\0', 5);
                    if (said.Length < 5) throw new ProtocolException("a failure without all of its fields");
                    var text = said[4];
                    return (said[0] == "error" ? Reply.FunctionError(text) : Reply.Failure(Outcome.FunctionFailed, text), Measure(said.AsSpan(1, 3)));
                default:
                    throw Unexpected(answer);
            }
        }
    }, CancellationToken.None);

    /// <summary>Ends it at once; whoever waits for it hears that it ended.</summary>
    public void Kill()
    {
        if (Interlocked.Exchange(ref _isEnded, 1) != 0) return;
        _resources.Process!.Kill();
        _socket.Dispose();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Volatile.Write(ref _isEnded, 1);
        _socket.Dispose(); // the runner goes by itself
        if (await _resources.ReleaseAsync().ConfigureAwait(false) is { } left) _services.Report(left);
    }

    private async ValueTask<(Reply, Task)> AnswerAsync(WasmFunction function, Frame frame)
    {
        var fields = Encoding.UTF8.GetString(frame.Head.Span).Split('\0');
        if (fields.Length is not (3 or 5)) throw new ProtocolException("an answer without its times");
        var headers = fields.Length == 5 ? new HeaderList { { fields[3], fields[4] } } : HeaderList.None;
        var tidying = fields.AsMemory(0, 3);
        if (!frame.More)
        {
            var body = frame.Body;
            var taken = body.IsEmpty ? null : _reader.TakeBuffer();
            if (taken is null && !body.IsEmpty)
            {
                // A frame has come after it already: the runner has tidied up.
                taken = ArrayPool<byte>.Shared.Rent(body.Length);
                body.CopyTo(taken);
                body = taken.AsMemory(0, body.Length);
            }
            return (Reply.Answer(frame.Status, headers, body, taken), Measure(tidying.Span));
        }
        // Whole, and not piece by piece: a caller that reads slowly must not keep the runner from others.
        var most = (long)function.Spec.OutputMiB << 20;
        var whole = ArrayPool<byte>.Shared.Rent(2 * frame.Body.Length);
        var length = 0;
        for (var more = true; ; frame = await NextAsync().ConfigureAwait(false))
        {
            if (length > 0 && frame.Type != FrameType.Body) throw Unexpected(frame);
            more = frame.More;
            if (length + frame.Body.Length > most) throw new ProtocolException("an answer beyond its limit");
            if (length + frame.Body.Length > whole.Length)
            {
                var larger = ArrayPool<byte>.Shared.Rent(2 * (length + frame.Body.Length));
                whole.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(whole);
                whole = larger;
            }
            frame.Body.CopyTo(whole.AsMemory(length));
            length += frame.Body.Length;
            if (!more) break;
        }
        return (Reply.Answer(200, headers, whole.AsMemory(0, length), whole), Measure(tidying.Span));
    }

    /// <summary>Notes how long a call took in the runner.</summary>
    /// <returns>What must have ended before the runner takes the next call.</returns>
    private Task Measure(ReadOnlySpan<string> times)
    {
        _services.Meter.Instantiating.Record(TimeSpan.FromMicroseconds(Number(times[0])));
        _services.Meter.Running.Record(TimeSpan.FromMicroseconds(Number(times[1])));
        return times[2] == "0" ? Task.CompletedTask : TidyAsync();
    }

    private async Task TidyAsync() => await TalkAsync(async () =>
    {
        var ready = await NextAsync().ConfigureAwait(false);
        return ready.Type == FrameType.Ready ? true : throw Unexpected(ready);
    }, CancellationToken.None).ConfigureAwait(false);

    private async Task FetchAsync(WasmFunction function, Frame frame, CancellationToken cancellationToken)
    {
        var fields = Encoding.UTF8.GetString(frame.Head.Span).Split('\0');
        using var body = new MemoryStream();
        while (true)
        {
            if (body.Length + frame.Body.Length > GuestRequests.MaxBytes * 2L) throw new ProtocolException("a request to the world beyond its limit");
            body.Write(frame.Body.Span);
            if (!frame.More) break;
            frame = await NextAsync().ConfigureAwait(false);
            if (frame.Type != FrameType.Body) throw Unexpected(frame);
        }
        var (status, content) = fields.Length >= 2 && fields.Length % 2 == 0
            ? await _services.Requests.SendAsync(function, fields[0], fields[1], fields.AsMemory(2), body.GetBuffer().AsMemory(0, (int)body.Length), cancellationToken).ConfigureAwait(false)
            : (0, ReadOnlyMemory<byte>.Empty);
        foreach (var (rented, length) in RunnerFrames.Split(RunnerFrames.Fetched, content.Length.ToString(CultureInfo.InvariantCulture), (ushort)status, content))
            await SendRentedAsync(rented, length).ConfigureAwait(false);
    }

    private async ValueTask<Frame> NextAsync() => await _reader.ReadAsync().ConfigureAwait(false) ?? throw new IOException("the connection ended");

    private async ValueTask SendAsync(byte[] frame)
    {
        for (var sent = 0; sent < frame.Length;) sent += await _socket.SendAsync(frame.AsMemory(sent)).ConfigureAwait(false);
    }

    private async ValueTask SendRentedAsync(byte[] rented, int length)
    {
        for (var sent = 0; sent < length;) sent += await _socket.SendAsync(rented.AsMemory(sent, length - sent)).ConfigureAwait(false);
        ArrayPool<byte>.Shared.Return(rented);
    }

    /// <summary>A part of the conversation: what breaks it ends the runner.</summary>
    [SuppressMessage("Design", "MA0051", Justification = "one try, its causes side by side")]
    private async Task<T> TalkAsync<T>(Func<Task<T>> talk, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            return await talk().ConfigureAwait(false);
        }
        catch (ProtocolException violation)
        {
            Kill();
            throw new RunnerEndedException($"the runner broke the protocol: {violation.Message}", isViolation: true);
        }
        catch (Exception failure) when (failure is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            var wasKilled = Volatile.Read(ref _isEnded) != 0;
            var reason = wasKilled ? "the runner was killed" : await DescribeEndAsync().ConfigureAwait(false);
            Kill();
            throw new RunnerEndedException(reason, isViolation: false);
        }
    }

    private async Task<string> DescribeEndAsync()
    {
        var process = _resources.Process!;
        try
        {
            var status = await process.Exited.WaitAsync(process.NewsDelay, _services.Processes.Time).ConfigureAwait(false);
            if (await process.RanOutOfMemoryAsync().ConfigureAwait(false)) return $"the call needed more memory than its runner has ({MemoryMiB} MiB), which was killed";
            var said = _tail();
            if (said.Contains("heap out of memory", StringComparison.OrdinalIgnoreCase)) return "the call needed more memory than its runner has, which ended";
            _services.Report($"the runner {Id} of WebAssembly functions {status}{(said.Length > 0 ? ": " + said.ReplaceLineEndings(" | ") : "")}");
            return $"the runner died in the call: its process {status}";
        }
        catch (TimeoutException)
        {
            return "the runner closed its connection";
        }
    }

    private static ProtocolException Unexpected(Frame frame) => new($"a frame of type {(int)frame.Type} where another was due");

    private static long Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}

/// <summary>A runner is no more. The message says why, in one line for the caller whose call was in it.</summary>
/// <param name="message">Why.</param>
/// <param name="isViolation">Whether it said what it may not.</param>
internal sealed class RunnerEndedException(string message, bool isViolation) : Exception(message)
{
    /// <summary>Whether it said what it may not.</summary>
    public bool IsViolation => isViolation;
}
