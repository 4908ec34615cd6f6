// One client's connection, request after request:
//
//   1. read a head into the input buffer (lent only while there is something in it)
//   2. let the answerer answer, under write_timeout, while read_timeout still covers the body
//   3. read what the answerer left of the body, if it is little; else close, without destroying the answer on its way
//   4. move what the client has sent beyond this request to the front, and go on
using System.Runtime.CompilerServices;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;
using Stint.Watchdog.Settings;
using Stint.Watchdog.Telemetry;

namespace Stint.Watchdog.Http;

/// <summary>Serves one client.</summary>
internal sealed class Connection
{
    private const int MaxHead = 1024 * 1024;        // the contract's 1 MiB of headers
    private const int MaxLeftover = 256 * 1024;     // bytes of an unwanted body that cost less to read than a new connection; Go's number
    private static readonly TimeSpan FarewellTime = TimeSpan.FromSeconds(5); // arbitrary: for a client to take an answer that it did not expect

    private readonly WatchdogSettings _settings;
    private readonly IAnswerer _answerer;
    private readonly Descriptor _socket;
    private readonly EventLoop _loop;
    private readonly LoopTimer _readTimer, _writeTimer;
    private bool _closing, _reading;
    private int _expiries;

    /// <summary>Takes over a client's socket.</summary>
    public Connection(EventLoop loop, Descriptor socket, IAnswerer answerer, WatchdogSettings settings)
    {
        (_loop, _socket, _answerer, _settings) = (loop, socket, answerer, settings);
        Exchange = new(loop, socket);
        _readTimer = new(loop, ReadTimePassed);
        _writeTimer = new(loop, WriteTimePassed);
        Exchange.Body.Over = _readTimer.Cancel;
        Exchange.LiftLimits = () =>
        {
            _readTimer.Cancel();
            _writeTimer.Cancel();
        };
        socket.Broken = () => Exchange.GiveUp(EndReason.ClientGone);
    }

    /// <summary>The request in progress.</summary>
    public Exchange Exchange { get; }

    /// <summary>Serves requests until the client or a limit ends it. Does not throw.</summary>
    public async Task RunAsync()
    {
        try
        {
            while (!_closing && await ReadHeadAsync())
            {
                await AnswerAsync();
                if (Exchange.Reply.Closes || !await FinishBodyAsync()) break;
                KeepRest();
            }
        }
        catch (Exception failure)
        {
            WatchdogLog.Write($"a connection ended with an error: {failure.Message}");
        }
        finally
        {
            _readTimer.Cancel();
            _writeTimer.Cancel();
            if (Exchange.Reply.IsComplete && !Exchange.Body.IsOver) await FarewellAsync();
            LetGoOfInput();
            _socket.Dispose();
        }
    }

    /// <summary>Closes after the answer in progress, or at once when there is none.</summary>
    public void Close()
    {
        _closing = Exchange.Reply.Closes = true;
        if (_reading) _socket.EndReading();
    }

    private async ValueTask<bool> ReadHeadAsync()
    {
        var body = Exchange.Body;
        var seen = 0;
        _reading = true;
        _readTimer.Arm(_settings.ReadTimeout);
        while (true)
        {
            var end = body.Input.AsSpan(Math.Max(0, seen - 3), body.End - Math.Max(0, seen - 3)).IndexOf("\r\n\r\n"u8);
            if (end >= 0)
            {
                _reading = false;
                body.HeadEnd = body.Next = Math.Max(0, seen - 3) + end + 4;
                return Exchange.Head.TryRead(body.Input, 0, body.HeadEnd) is var refusal and not 0 ? await RefuseAsync(refusal) : Begin();
            }
            seen = body.End;
            if (body.End >= MaxHead) return await RefuseAsync(431);
            if (!MakeRoom()) return false;
            var read = body.End == 0 ? await ReadFirstAsync() : await _socket.ReadAsync(body.Input, body.End, body.Input.Length - body.End);
            if (read <= 0)
            {
                _reading = false;
                // Nothing of a request has come: an idle connection just ends. Otherwise its client is told why, unless it is gone.
                return body.End > 0 && _socket.IsReadingOver && !_closing && await RefuseAsync(408);
            }
            if (body.End == 0) _readTimer.Arm(_settings.ReadTimeout);
            body.End += read;
            // Some clients send an empty line after a body (RFC 9112 section 2.2).
            if (body.End >= 2 && body.Input.AsSpan(0, 2).SequenceEqual("\r\n"u8))
            {
                body.Input.AsSpan(2, body.End - 2).CopyTo(body.Input);
                body.End -= 2;
            }
        }
    }

    // While a connection is idle it holds no buffer.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReadFirstAsync()
    {
        while (true)
        {
            if (_socket.IsReadingOver || _socket.IsInterrupted) return Descriptor.Failed;
            MakeRoom();
            var read = _socket.TryRead(Exchange.Body.Input);
            if (read != Descriptor.WouldBlock) return read;
            LetGoOfInput();
            await _socket.Readable;
        }
    }

    private bool Begin()
    {
        Exchange.Begin(TimeProvider.System.GetTimestamp());
        if (_closing) Exchange.Reply.Closes = true;
        return true;
    }

    private async ValueTask AnswerAsync()
    {
        _expiries = 0;
        _writeTimer.Arm(_settings.WriteTimeout);
        if (_settings.DebugHeaders) LogHeaders();
        await _answerer.AnswerAsync(Exchange);
        _writeTimer.Cancel();
        Exchange.Stop = null;
        if (!Exchange.Reply.IsComplete) Exchange.Reply.Closes = true;
        if (Exchange.Pump is not { IsCompleted: false } pump) return;
        if (Exchange.Reply.Closes) _socket.EndReading();
        await pump;
    }

    private async ValueTask<bool> RefuseAsync(int status)
    {
        _writeTimer.Arm(FarewellTime);
        Exchange.Body.Begin(new(BodyEnd.Length, long.MaxValue), false); // whatever follows is not understood; the farewell reads it
        Exchange.Reply.BeginWithoutRequest();
        _ = await Exchange.Reply.SayAsync(status, status switch
        {
            408 => $"The request did not arrive within read_timeout ({GoDuration.Format(_settings.ReadTimeout)}).",
            417 => "Only the expectation 100-continue can be met.",
            431 => "The request's head is larger than 1 MiB: send what is large in the body.",
            501 => "The only transfer coding that is understood is chunked.",
            505 => "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
            _ => "This is not a well-formed HTTP request.",
        });
        return false;
    }

    private async ValueTask<bool> FinishBodyAsync()
    {
        if (Exchange.Body.IsOver) return true;
        if (Exchange.Head.ExpectsContinue) return false;
        var buffer = _loop.Buffers.Rent();
        try
        {
            for (var total = 0; total <= MaxLeftover && !Exchange.Body.IsOver;)
            {
                if (await Exchange.Body.ReadAsync(buffer, 0, buffer.Length) is not (> 0 and var read)) return Exchange.Body.IsOver;
                total += read;
            }
            return Exchange.Body.IsOver;
        }
        finally
        {
            _loop.Buffers.Return(buffer);
        }
    }

    // Closing with unread bytes makes the kernel reset the connection, and the client may lose the answer: say that nothing more comes, and read on for a while.
    private async Task FarewellAsync()
    {
        _ = Libc.shutdown(_socket.Number, 1);
        var end = new LoopTimer(_loop, _socket.Interrupt);
        end.Arm(FarewellTime);
        var buffer = _loop.Buffers.Rent();
        while (!_socket.IsInterrupted)
        {
            var read = _socket.TryRead(buffer);
            if (read is 0 or Descriptor.Failed) break;
            if (read == Descriptor.WouldBlock) await _socket.Readable;
        }
        _loop.Buffers.Return(buffer);
        end.Cancel();
    }

    private void KeepRest()
    {
        var body = Exchange.Body;
        body.Input.AsSpan(body.Next, body.End - body.Next).CopyTo(body.Input);
        (body.End, body.Next, body.HeadEnd) = (body.End - body.Next, 0, 0);
        if (body.End == 0) LetGoOfInput();
    }

    // At least 4 KiB after what there is: a body that comes in chunks is read there, too.
    private bool MakeRoom()
    {
        var body = Exchange.Body;
        if (body.Input.Length == 0) body.Input = _loop.Buffers.Rent();
        if (body.Input.Length - body.End >= 4096) return true;
        var larger = GC.AllocateUninitializedArray<byte>(body.Input.Length * 2, pinned: true);
        body.Input.AsSpan(0, body.End).CopyTo(larger);
        _loop.Buffers.Return(body.Input);
        body.Input = larger;
        return true;
    }

    private void LetGoOfInput()
    {
        var body = Exchange.Body;
        if (body.Input.Length > 0) _loop.Buffers.Return(body.Input);
        (body.Input, body.End, body.Next, body.HeadEnd) = ([], 0, 0, 0);
    }

    private void ReadTimePassed() => _socket.EndReading();

    private void WriteTimePassed()
    {
        // An answer that has not begun becomes a 504, for which there is a little more time; one that has is cut off.
        if (Exchange.Reply.IsStarted || _expiries++ > 0) _socket.Interrupt();
        else _writeTimer.Arm(FarewellTime);
        Exchange.GiveUp(EndReason.WriteTimeout);
    }

    private void LogHeaders()
    {
        for (var i = 0; i < Exchange.Head.Fields.Count; i++)
            WatchdogLog.Write($"[in] {System.Text.Encoding.UTF8.GetString(Exchange.Head.Fields.Name(i))}={System.Text.Encoding.UTF8.GetString(Exchange.Head.Fields.Value(i))}");
    }
}
