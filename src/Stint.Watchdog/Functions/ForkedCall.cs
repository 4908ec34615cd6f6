// One call of a forking function:
//
//   (1) input:   what belongs before the process (CallInput)
//   (2) start:   three descriptors, posix_spawn; the pipes' other ends are closed here
//   (3) hold:    output is kept back until the status is known: to the end (serializing), up to 64 KiB or a quarter of a second (classic), not at all (streaming)
//   (4) stream:  what is more than that, piece by piece; in bulk from pipe to socket inside the kernel
//   (5) end:     exit code 0 completes the answer; anything else is 500, or cuts off an answer that has begun, so that half of one never looks whole
using Stint.Watchdog.Http;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;
using Stint.Watchdog.Settings;
using Stint.Watchdog.Telemetry;

namespace Stint.Watchdog.Functions;

/// <summary>Runs a process for one request.</summary>
internal sealed class ForkedCall
{
    // A process that fails says so when it ends, usually at once after its last words; one that is still running after this long is one whose output somebody wants to see.
    private static readonly TimeSpan HoldTime = TimeSpan.FromMilliseconds(250);

    private readonly Exchange _exchange;
    private readonly ForkingFunction _function;
    private readonly WatchdogSettings _settings;
    private readonly CallInput _input;
    private readonly Wakeup _ended;
    private ChildProcess? _child;
    private Descriptor? _output;
    private LineLog? _errors;
    private byte[] _held = [];
    private int _length;
    private bool _heldLongEnough;

    public ForkedCall(Exchange exchange, ForkingFunction function)
    {
        (_exchange, _function, _settings) = (exchange, function, function.Settings);
        _input = new(exchange, _settings);
        _ended = new(exchange.Loop);
    }

    /// <summary>Runs it and answers.</summary>
    public async ValueTask RunAsync()
    {
        var execution = new LoopTimer(_exchange.Loop, () => _exchange.GiveUp(EndReason.ExecTimeout));
        var hold = new LoopTimer(_exchange.Loop, HoldPassed);
        try
        {
            if (!await _input.ReadAsync(whole: _settings.Mode == WatchdogMode.Serializing || _settings.MarshalRequest)) return;
            if (_exchange.Ended != EndReason.None) return;
            if (!TryStart(out var status, out var failure))
            {
                WatchdogLog.Write(failure);
                _ = await _exchange.Reply.SayAsync(status, failure);
                return;
            }
            execution.Arm(_settings.ExecTimeout);
            if (await HoldAsync(hold)) await FinishAsync();
            else await StreamAsync();
        }
        finally
        {
            execution.Cancel();
            hold.Cancel();
            _child?.Kill();
            _errors?.Drain();
            _output?.Dispose();
            _input.Release();
            if (_held.Length > 0) _exchange.Loop.Buffers.Return(_held);
        }
    }

    // (2)
    private unsafe bool TryStart(out int status, out string failure)
    {
        status = 400;
        failure = "The path has a percent sign without two hexadecimal digits, or %00.";
        if (!_function.Environment.TryMake(_exchange.Head, _exchange.Body.Length, out var environment)) return false;

        status = 500;
        failure = "There are no descriptors left to run fprocess with (ulimit -n): let fewer requests in at a time (max_inflight), or raise the limit.";
        Pipe input = default, errors = default;
        var hasInput = !_input.IsEmpty;
        var logsErrors = !_settings.CombineOutput && _settings.PrefixLogs;
        if (!Pipe.TryMakeOutput(out var output)) return false;
        if (hasInput && !Pipe.TryMakeInput(out input) || logsErrors && !Pipe.TryMakeOutput(out errors))
        {
            Close(output.Ours, output.Theirs);
            if (hasInput && input.Ours > 0) Close(input.Ours, input.Theirs);
            return false;
        }
        _output = new Descriptor(_exchange.Loop, output.Ours);
        if (hasInput) _input.Prefill(input.Ours);
        _child = ChildProcess.TryStart(_exchange.Loop, _function.Plan, environment, hasInput ? input.Theirs : _function.Nothing, output.Theirs,
            _settings.CombineOutput ? output.Theirs : logsErrors ? errors.Theirs : -1, ChildEnded, out failure);
        // Before the input flows: a client may be gone already, and then a process must not take what it sent for all of it.
        if (_child is not null) _exchange.Stop = Stop;
        Close(output.Theirs);
        if (logsErrors)
        {
            Close(errors.Theirs);
            _errors = new LineLog(new Descriptor(_exchange.Loop, errors.Ours), [.. "stderr"u8], _settings);
            _ = _errors.RunAsync(); // ends with the pipe, which is closed with the call
        }
        if (hasInput)
        {
            Close(input.Theirs);
            if (_child is null || _input.IsEmpty) Close(input.Ours);
            else _exchange.Pump = _input.PumpAsync(new Descriptor(_exchange.Loop, input.Ours));
        }
        return _child is not null;
    }

    // (3) True when the process has closed its output.
    private async ValueTask<bool> HoldAsync(LoopTimer hold)
    {
        _held = _exchange.Loop.Buffers.Rent();
        while (true)
        {
            var read = await ReadAsync(_held, _length, _held.Length - _length);
            if (read == 0) return true;
            if (read < 0) return false;
            if (_length == 0 && _settings.Mode == WatchdogMode.Classic) hold.Arm(HoldTime);
            _length += read;
            if (_settings.Mode == WatchdogMode.Streaming) return false;
            if (_length < _held.Length) continue;
            if (_settings.Mode == WatchdogMode.Classic) return false;
            if (_length >= _settings.BufferLimit)
            {
                _child!.Kill();
                _ = await _exchange.Reply.SayAsync(500, $"The process answered more than the {_settings.BufferLimit} bytes that are kept in memory (buffer_limit): use mode=streaming.");
                _exchange.GiveUp(EndReason.Stopping);
                return true;
            }
            var larger = GC.AllocateUninitializedArray<byte>((int)Math.Min(_held.Length * 2L, Math.Max(_settings.BufferLimit, BufferPool.Size)), pinned: true);
            _held.AsSpan(0, _length).CopyTo(larger);
            _exchange.Loop.Buffers.Return(_held);
            _held = larger;
        }
    }

    // (5), nothing having been sent
    private async ValueTask FinishAsync()
    {
        while (!_child!.HasEnded) await _ended;
        var body = _held.AsMemory(0, _length);
        Debug(body.Span);
        var reply = _exchange.Reply;
        switch (_exchange.Ended)
        {
            case EndReason.None when _child.Succeeded:
                Begin(200);
                _ = await reply.SendAsync(body);
                return;
            case EndReason.None:
                reply.Status(500).Field("Content-Type"u8, "text/plain; charset=utf-8"u8).Duration(Elapsed);
                _ = await reply.SendAsync(System.Text.Encoding.ASCII.GetBytes(_child.End + "\n"), body);
                return;
            case var reason when !reply.IsStarted && Explain(reason) is { } text:
                _ = await reply.SayAsync(reason == EndReason.Stopping ? 503 : 504, text);
                return;
            default:
                return; // nobody is there
        }
    }

    // (4), then (5)
    private async ValueTask StreamAsync()
    {
        var reply = _exchange.Reply;
        Begin(200);
        Debug(_held.AsSpan(0, _length));
        var going = await reply.StartAsync(_held.AsMemory(0, _length));
        var last = _length;
        while (going)
        {
            // A full buffer: there is more where that came from.
            if (last == _held.Length && reply.TakesPieces && !_settings.WriteDebug && _output!.Pending() is > 0 and var pending)
            {
                going = await reply.SpliceAsync(_output, pending);
                continue;
            }
            last = await ReadAsync(_held, 0, _held.Length);
            if (last <= 0) break;
            Debug(_held.AsSpan(0, last));
            going = await reply.WriteAsync(_held.AsMemory(0, last));
        }
        if (!going) _exchange.GiveUp(EndReason.ClientGone);
        while (!_child!.HasEnded) await _ended;
        if (going && _exchange.Ended == EndReason.None && _child.Succeeded) _ = await reply.EndAsync();
        else WatchdogLog.Write($"an answer was cut off after {reply.Sent} bytes: {(_exchange.Ended == EndReason.None ? _child.End : Explain(_exchange.Ended) ?? "its client is gone")}");
    }

    // 0 at the end; −1 when what is held has been held long enough.
    private async ValueTask<int> ReadAsync(byte[] buffer, int offset, int count)
    {
        while (true)
        {
            var read = _output!.TryRead(buffer.AsSpan(offset, count));
            if (read >= 0) return read;
            // A process that has ended has said all; what it left running may hold the pipe for as long as it likes.
            if (read == Descriptor.Failed || _child!.HasEnded) return 0;
            if (_heldLongEnough && !_exchange.Reply.IsStarted) return -1;
            await _output.Readable;
        }
    }

    private void Begin(int status)
    {
        var reply = _exchange.Reply.Status(status);
        if (_settings.ContentType is { } forced) reply.Field("Content-Type"u8, forced);
        else if (_exchange.Head.Fields.Find("Content-Type"u8) is { IsEmpty: false } asked) reply.Field("Content-Type"u8, asked);
        else reply.Field("Content-Type"u8, _settings.DefaultContentType);
        reply.Duration(Elapsed);
    }

    private string? Explain(EndReason reason) => reason switch
    {
        EndReason.ExecTimeout => $"Killed process: it ran longer than exec_timeout ({GoDuration.Format(_settings.ExecTimeout)}).",
        EndReason.WriteTimeout => $"Killed process: its answer took longer than write_timeout ({GoDuration.Format(_settings.WriteTimeout)}).",
        EndReason.Stopping => "Killed process: the watchdog is stopping.",
        _ => null,
    };

    private TimeSpan Elapsed => TimeProvider.System.GetElapsedTime(_exchange.Started);

    private void Stop() => _child?.Kill();

    private void ChildEnded()
    {
        _ended.Set();
        _output?.Readable.Set();
    }

    private void HoldPassed()
    {
        _heldLongEnough = true;
        _output?.Readable.Set();
    }

    private void Debug(ReadOnlySpan<byte> output)
    {
        if (_settings.WriteDebug) WatchdogLog.Put(1, output);
    }

    private static void Close(params ReadOnlySpan<int> descriptors)
    {
        foreach (var descriptor in descriptors) _ = Libc.close(descriptor);
    }
}
