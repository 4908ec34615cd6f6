// One call of a function that speaks HTTP:
//
//   (1) read a body of up to 64 KiB, or with buffer_http all of it, so that slow clients do not occupy the function
//   (2) send the head, what there is of the body, and pump the rest beside what follows
//   (3) read the answer's head; a request is never sent twice, whatever happens to the connection: it may have had its effect
//   (4) relay the answer as it comes; 101 turns both connections into a tunnel
using Stint.Watchdog.Functions;
using Stint.Watchdog.Http;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Settings;
using Stint.Watchdog.Telemetry;

namespace Stint.Watchdog.Upstreams;

/// <summary>Passes one request on and its answer back.</summary>
internal sealed class UpstreamCall
{
    private readonly Exchange _exchange;
    private readonly UpstreamFunction _function;
    private readonly WatchdogSettings _settings;
    private readonly CallInput _input;
    private readonly UpstreamHead _head = new();
    private readonly TimeSpan _limit;
    private UpstreamConnection? _upstream;
    private bool _reusable;

    public UpstreamCall(Exchange exchange, UpstreamFunction function)
    {
        (_exchange, _function, _settings) = (exchange, function, function.Settings);
        _input = new(exchange, _settings);
        _limit = Limit();
    }

    /// <summary>Runs it and answers.</summary>
    public async ValueTask RunAsync()
    {
        var execution = new LoopTimer(_exchange.Loop, () => _exchange.GiveUp(EndReason.ExecTimeout));
        try
        {
            if (!await _input.ReadAsync(whole: _settings.BufferHttp) || _exchange.Ended != EndReason.None) return;
            _exchange.Stop = () => _upstream?.Socket.Interrupt();
            execution.Arm(_limit);
            if (!await AskAsync()) return;
            if (_head.Code == 101)
            {
                execution.Cancel();
                await TunnelAsync();
            }
            else await RelayAsync();
        }
        finally
        {
            execution.Cancel();
            _exchange.Stop = null;
            if (_upstream is not null && _reusable && _exchange.Ended == EndReason.None && _exchange.Pump is not { IsCompleted: false }) UpstreamFunction.Return(_upstream);
            else _upstream?.Close();
            _input.Release();
        }
    }

    // (2), (3)
    private async ValueTask<bool> AskAsync()
    {
        (_upstream, var failure) = await _function.ConnectAsync(_exchange);
        if (_upstream is null) return await FailAsync(failure);
        if (_exchange.Ended != EndReason.None) return await FailAsync("");
        if (!await _upstream.Socket.WriteAsync(MakeHead().Memory, _input.Ready)) return await FailAsync("The function's process closed the connection before it took the request.");
        if (!_exchange.Body.IsOver) _exchange.Pump = PumpAsync(_upstream.Socket);
        return await ReadHeadAsync() is not { } problem || await FailAsync(problem);
    }

    private async ValueTask<string?> ReadHeadAsync()
    {
        while (true)
        {
            var upstream = _upstream!;
            var end = upstream.Input.AsSpan(upstream.Next, upstream.End - upstream.Next).IndexOf("\r\n\r\n"u8);
            if (end >= 0)
            {
                var start = upstream.Next;
                upstream.Next += end + 4;
                if (!_head.TryRead(upstream.Input, start, upstream.Next, _exchange.Head.Method.SequenceEqual("HEAD"u8))) return "The function's process answered with something that is not well-formed HTTP.";
                if (_head.Code is >= 200 or 101) return null;
                continue; // 100 and 103 are for us
            }
            var read = await upstream.ReadMoreAsync();
            if (read == 0) return "The function's process closed the connection without an answer.";
            if (read < 0) return upstream.End - upstream.Next >= BufferPool.Size ? "The head of the function's answer is larger than 64 KiB." : "The connection to the function's process broke.";
        }
    }

    // (4)
    private async ValueTask RelayAsync()
    {
        var reply = BeginReply();
        var upstream = _upstream!;
        var framing = _head.Framing;
        var keeps = _head.KeepsAlive;
        long? length = framing.End == BodyEnd.Length || framing.Length > 0 ? framing.Length : null;
        var going = await reply.StartAsync(default, length);
        var left = framing.Length;
        var chunks = framing.End == BodyEnd.Chunks ? new ChunkReader() : null;
        var over = framing.End == BodyEnd.None || framing.End == BodyEnd.Length && left == 0;
        while (going && !over)
        {
            if (upstream.Next == upstream.End)
            {
                var read = await upstream.ReadMoreAsync();
                if (read <= 0)
                {
                    over = read == 0 && framing.End == BodyEnd.Close;
                    break;
                }
            }
            var input = upstream.Input.AsMemory(upstream.Next, upstream.End - upstream.Next);
            if (chunks is not null)
            {
                // Data moves to the front of what it was read from: never further back than it was.
                var whole = upstream.Input.AsMemory(upstream.Next, upstream.End - upstream.Next);
                if (!chunks.TryTake(input.Span, out var used, whole.Span, out var written)) break;
                upstream.Next += used;
                over = chunks.IsOver;
                going = await reply.WriteAsync(whole[..written]);
                continue;
            }
            if (framing.End == BodyEnd.Length && input.Length > left) input = input[..(int)left];
            upstream.Next += input.Length;
            left -= input.Length;
            over = framing.End == BodyEnd.Length && left == 0;
            going = await reply.WriteAsync(input);
        }
        _reusable = over && keeps && upstream.Next == upstream.End;
        if (going && over && _exchange.Ended == EndReason.None) _ = await reply.EndAsync();
        else WatchdogLog.Write($"an answer was cut off after {reply.Sent} bytes: {(going ? "the function's process broke off, or ran into a time limit" : "its client is gone")}");
    }

    private async ValueTask TunnelAsync()
    {
        _exchange.LiftLimits?.Invoke();
        var reply = BeginReply();
        reply.Closes = false;
        reply.Field("Connection"u8, "Upgrade"u8);
        if (_head.Fields.Find("Upgrade"u8) is { IsEmpty: false } protocol) reply.Field("Upgrade"u8, protocol);
        if (!await reply.StartAsync(default)) return;
        reply.Closes = true;
        var back = CopyAsync(_upstream!.Input.AsMemory(_upstream.Next, _upstream.End - _upstream.Next), _upstream.Socket, _exchange.Socket);
        var body = _exchange.Body;
        var forth = CopyAsync(body.Input.AsMemory(body.Next, body.End - body.Next), _exchange.Socket, _upstream.Socket);
        _ = await Task.WhenAny(back, forth);
        _upstream.Socket.Interrupt();
        _exchange.Socket.Interrupt();
        await Task.WhenAll(back, forth);
    }

    private async Task CopyAsync(ReadOnlyMemory<byte> first, Descriptor from, Descriptor to)
    {
        var buffer = _exchange.Loop.Buffers.Rent();
        if (await to.WriteAsync(first))
        {
            while (await from.ReadAsync(buffer, 0, buffer.Length) is > 0 and var count && await to.WriteAsync(buffer.AsMemory(0, count)))
            {
            }
        }
        _exchange.Loop.Buffers.Return(buffer);
    }

    private async Task PumpAsync(Descriptor upstream)
    {
        var buffer = _exchange.Loop.Buffers.Rent();
        var size = new ByteBuilder(24);
        var chunked = _exchange.Body.Length < 0;
        while (!_exchange.Body.IsOver)
        {
            var count = await _exchange.Body.ReadAsync(buffer, 0, buffer.Length);
            if (count < 0)
            {
                // The function must not take half a body for a whole one.
                if (!_exchange.Reply.IsStarted) _exchange.GiveUp(EndReason.ClientGone);
                upstream.Interrupt();
                break;
            }
            if (count == 0) continue;
            var taken = chunked ? await upstream.WriteAsync(size.Clear().Add(count, 'x').Add("\r\n"u8).Memory, buffer.AsMemory(0, count), "\r\n"u8.ToArray()) : await upstream.WriteAsync(buffer.AsMemory(0, count));
            if (!taken) break; // it has its answer ready, or is gone: the reading side knows
        }
        if (chunked && _exchange.Body.IsOver) _ = await upstream.WriteAsync("0\r\n\r\n"u8.ToArray());
        _exchange.Loop.Buffers.Return(buffer);
    }

    private ByteBuilder MakeHead()
    {
        var request = _exchange.Head;
        var head = new ByteBuilder(1024);
        head.Add(request.Method).Add(" "u8).Add(_function.Prefix).Add(request.Target).Add(" HTTP/1.1\r\n"u8);
        for (var i = 0; i < request.Fields.Count; i++)
        {
            if (!HopByHop.Contains(request.Fields, request.Fields.Name(i))) head.Add(request.Fields.Name(i)).Add(": "u8).Add(request.Fields.Value(i)).Add("\r\n"u8);
        }
        if (request.Fields.IndexOf("Host"u8) < 0) head.Add("Host: "u8).Add(_settings.Upstream!.Authority).Add("\r\n"u8);
        if (request.Fields.Lists("Connection"u8, "upgrade"u8) && request.Fields.Find("Upgrade"u8) is { IsEmpty: false } protocol)
            head.Add("Connection: Upgrade\r\nUpgrade: "u8).Add(protocol).Add("\r\n"u8);
        if (_exchange.Body.IsOver)
        {
            if (!_input.Ready.IsEmpty || request.Fields.IndexOf("Content-Length"u8) >= 0 || _exchange.Body.Length < 0) head.Add("Content-Length: "u8).Add(_input.Ready.Length).Add("\r\n"u8);
        }
        else if (_exchange.Body.Length < 0) head.Add("Transfer-Encoding: chunked\r\n"u8);
        else head.Add("Content-Length: "u8).Add(_exchange.Body.Length).Add("\r\n"u8);
        return head.Add("\r\n"u8);
    }

    private Responder BeginReply()
    {
        var reply = _exchange.Reply.Status(_head.Code, _head.Reason);
        for (var i = 0; i < _head.Fields.Count; i++)
        {
            if (!HopByHop.Contains(_head.Fields, _head.Fields.Name(i))) reply.Field(_head.Fields.Name(i), _head.Fields.Value(i));
        }
        return reply.Duration(TimeProvider.System.GetElapsedTime(_exchange.Started));
    }

    private async ValueTask<bool> FailAsync(string failure)
    {
        var (code, text) = _exchange.Ended switch
        {
            EndReason.None => (500, failure),
            EndReason.ExecTimeout => (504, $"The function did not answer within exec_timeout ({GoDuration.Format(_limit)})."),
            EndReason.WriteTimeout => (504, $"The function did not answer within write_timeout ({GoDuration.Format(_settings.WriteTimeout)})."),
            EndReason.Stopping => (503, "The watchdog is stopping."),
            _ => (0, ""),
        };
        if (code == 0) return false;
        WatchdogLog.Write(text);
        _ = await _exchange.Reply.SayAsync(code, text);
        return false;
    }

    // X-Timeout may make it shorter, not longer.
    private TimeSpan Limit()
    {
        var asked = _exchange.Head.Fields.Find("X-Timeout"u8);
        if (asked.IsEmpty || !GoDuration.TryParse(System.Text.Encoding.UTF8.GetString(asked), out var limit) || limit <= TimeSpan.Zero) return _settings.ExecTimeout;
        return _settings.ExecTimeout > TimeSpan.Zero && _settings.ExecTimeout < limit ? _settings.ExecTimeout : limit;
    }
}
