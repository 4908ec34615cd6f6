using System.Buffers.Binary;
using Stint.Coap.Admission;
using Stint.Coap.Blockwise;
using Stint.Coap.Discovery;
using Stint.Coap.Exchanges;
using Stint.Coap.Messages;
using Stint.Coap.Observing;
using Stint.Coap.Transport;

namespace Stint.Coap;

/// <summary>
/// The server without its sockets: what happens to a datagram.
/// <code>
///  Receive ─ rate limit ─ header ┬ empty, ACK, RST ─► OutgoingMessages, Observers; a ping gets its RST
///                                ├ malformed, reserved, response ─► RST for a CON, silence for the rest (RFC 7252 §4.2, §4.3)
///                                └ request ─► ExchangeTable ┬ seen before ─► the same bytes again
///                                                           └ new ─► Run
///  Run     (1) options that forbid an answer   (2) Echo   (3) upload blocks   (4) later blocks of a download   (5) observe
///          (6) /.well-known/core or the handler
///  Finish  (7) register an observer  (8) form: piggybacked, separate, NON  (9) compose, keep for duplicates, send
/// </code>
/// </summary>
internal sealed class CoapEngine : IAsyncDisposable
{
    private readonly CoapServerOptions _options;
    private readonly ICoapResources _resources;
    private readonly IDatagramSender _sender;
    private readonly DeadlineClock _clock;
    private readonly SourceLimits _limits;
    private readonly SourceVerification _verification;
    private readonly MessageIds _ids = new();
    private readonly AnswerComposer _composer;
    private readonly LeisureQueue _leisure;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _running = 1; // One for the engine itself, given back when it stops.
    private bool _closed;

    public CoapEngine(CoapServerOptions options, ICoapResources resources, IDatagramSender sender)
    {
        options.Validate();
        (_options, _resources, _sender) = (options, resources, sender);
        _clock = new DeadlineClock(options.Time);
        _limits = new SourceLimits(options.MaxRatePerSource, options.MaxBurstPerSource);
        _verification = new SourceVerification(options.MaxVerified);
        Exchanges = new ExchangeTable(options, _clock, sender, Counters, Completed);
        Outgoing = new OutgoingMessages(options, _clock, sender, Counters, _ids);
        Uploads = new Uploads(options, _clock);
        Downloads = new Downloads(options, _clock);
        _composer = new AnswerComposer(options, _clock, _verification, Downloads, Counters);
        Observers = new Observers(options, _clock, Outgoing, _ids, sender, _composer, Counters, AskAsync);
        _leisure = new LeisureQueue(options, _clock, sender);
    }

    public CoapCounters Counters { get; } = new();

    public ExchangeTable Exchanges { get; }

    public OutgoingMessages Outgoing { get; }

    public Uploads Uploads { get; }

    public Downloads Downloads { get; }

    public Observers Observers { get; }

    /// <summary>Takes a datagram. Never throws, whatever is in it.</summary>
    public void Receive(in Peer peer, ReadOnlySpan<byte> datagram, bool multicast = false)
    {
        Counters.Count(CoapEvent.Received);
        if (!_limits.Admit(peer, _clock.Now))
        {
            Counters.Count(CoapEvent.RateLimited);
            return;
        }

        var verdict = MessageHeader.TryRead(datagram, out var header);
        var isBroken = verdict == HeaderVerdict.Malformed || (header.Code == CoapCode.Empty && datagram.Length != MessageHeader.Size);
        if (verdict == HeaderVerdict.Foreign) Counters.Count(CoapEvent.Malformed);
        else if (isBroken) Reject(peer, header, multicast);
        else if (header.Code == CoapCode.Empty) ReceiveEmpty(peer, header, multicast);
        else if (header.Code.IsRequest && header.Type is CoapMessageType.Confirmable or CoapMessageType.NonConfirmable) ReceiveRequest(peer, header, datagram, multicast);
        else Reject(peer, header, multicast); // A response that nobody waits for, a reserved class, or a request in an ACK or RST.
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => StopAsync(TimeSpan.Zero);

    /// <summary>Takes no more requests, lets those that run go on for a while, then cancels them and waits for their end. Once.</summary>
    public async ValueTask StopAsync(TimeSpan grace)
    {
        if (Interlocked.Exchange(ref _closed, true)) return;
        Observers.Clear();
        Release();
        if (grace > TimeSpan.Zero) await Task.WhenAny(_drained.Task, Task.Delay(grace, _options.Time, CancellationToken.None));
        await _stopping.CancelAsync();
        await _drained.Task;
        await Task.WhenAll(Observers.Runs);
        _clock.Dispose();
        _stopping.Dispose();
    }

    private void ReceiveEmpty(in Peer peer, in MessageHeader header, bool multicast)
    {
        switch (header.Type)
        {
            case CoapMessageType.Acknowledgement:
                Outgoing.Acknowledge(peer, header.MessageId);
                break;
            case CoapMessageType.Reset:
                if (!Outgoing.Reject(peer, header.MessageId)) Observers.Rejected(peer, header.MessageId);
                break;
            case CoapMessageType.Confirmable or CoapMessageType.NonConfirmable:
                Reject(peer, header, multicast); // The CoAP ping (RFC 7252 §4.3).
                break;
        }
    }

    /// <summary>A reset for a confirmable message, silence for all others and for multicast (RFC 7252 §4.2, §4.3, §8.1).</summary>
    private void Reject(in Peer peer, in MessageHeader header, bool multicast)
    {
        if (header.Code != CoapCode.Empty) Counters.Count(CoapEvent.Malformed);
        if (header.Type == CoapMessageType.Confirmable && !multicast) SendBare(peer, CoapMessageType.Reset, header.MessageId);
    }

    private void SendBare(in Peer peer, CoapMessageType type, ushort messageId)
    {
        Span<byte> message = stackalloc byte[MessageHeader.Size];
        BinaryPrimitives.WriteUInt32BigEndian(message, 0x4000_0000u | ((uint)type << 28) | messageId);
        _sender.Send(peer, message);
    }

    private void ReceiveRequest(in Peer peer, in MessageHeader header, ReadOnlySpan<byte> datagram, bool multicast)
    {
        if (multicast && header.Type != CoapMessageType.NonConfirmable) return; // §8.1
        Span<byte> kept = stackalloc byte[AnswerComposer.BufferSize];
        var key = new ExchangeKey(peer, header.MessageId);
        if (!CoapRequest.TryDecode(peer, header, datagram, multicast, out var request))
        {
            Reject(peer, header, multicast);
            return;
        }

        switch (Exchanges.Begin(key, header.Type, _clock.Now, kept, out var keptLength, out var exchange))
        {
            case ExchangeStart.Duplicate:
                Counters.Count(CoapEvent.Duplicate);
                if (keptLength > 0) _sender.Send(peer, kept[..keptLength]);
                break;
            case ExchangeStart.Full:
                Shed(request!);
                break;
            case ExchangeStart.Started:
                Counters.Count(CoapEvent.Request);
                Run(exchange!, request!);
                break;
        }
    }

    /// <summary>5.03 without a trace in memory; a retransmission has another chance.</summary>
    private void Shed(CoapRequest request)
    {
        Counters.Count(CoapEvent.Shed);
        if (request.IsMulticast) return;
        Span<byte> buffer = stackalloc byte[AnswerComposer.BufferSize];
        var type = request.IsConfirmable ? CoapMessageType.Acknowledgement : CoapMessageType.NonConfirmable;
        var id = request.IsConfirmable ? request.MessageId : _ids.Next(request.Peer);
        _sender.Send(request.Peer, buffer[.._composer.Compose(buffer, request, Busy(), new Envelope(type, id))]);
    }

    private CoapResponse Busy() => new() { Code = CoapCode.ServiceUnavailable, MaxAge = (uint)_options.RetryAfterSeconds };

    private void Run(Exchange exchange, CoapRequest request)
    {
        // (1)
        if (request.Flaw == RequestFlaw.CriticalOption && !request.IsConfirmable)
        {
            Finish(exchange, request, null, default);
            return;
        }

        if (Refusal(request) is { } refusal)
        {
            // RFC 7959 §2.9.3: a 4.13 to a request without blocks may name the size in which to come again.
            var hint = refusal.Code == CoapCode.RequestEntityTooLarge ? request.Block1 ?? new BlockValue(0, false, BlockValue.ExponentOf(_options.BlockSize)) : (BlockValue?)null;
            Finish(exchange, request, request.IsMulticast ? null : refusal, hint);
            return;
        }

        // (2)
        if (!request.Echo.Equals(default)) _verification.Verify(request.Peer, request.EchoValue, _clock.Now);

        // (3)
        BlockValue? block1 = null;
        if (request.Block1 is { } block)
        {
            var refused = block is { Number: 0, More: true } && !request.IsDiscovery ? RefuseUpload(request) : null;
            var step = refused is null ? Uploads.Accept(request) : new UploadStep(refused.Code, block with { More = false });
            if (!step.IsComplete)
            {
                Finish(exchange, request, step.IsRepeated ? null : refused ?? new CoapResponse { Code = step.Code }, step.Block);
                return;
            }

            block1 = step.Block;
            request.Payload = step.Body;
            request.ReceivedBytes += step.Body.Length;
        }

        // (4)
        if (request.Block2 is { Number: > 0 } && block1 is null or { Number: 0 })
        {
            if (Downloads.TryGet(request, out var stored))
            {
                Finish(exchange, request, stored, block1, isStored: true);
                return;
            }

            // Asking the handler again for a later block is fine where it changes nothing (RFC 7959 §2.4), elsewhere the transfer is lost.
            if (request.Method != CoapCode.Get && request.Method != CoapCode.Fetch)
            {
                Finish(exchange, request, CoapResponse.Error(CoapCode.RequestEntityIncomplete, "the rest of this answer is gone; ask anew"), block1);
                return;
            }
        }

        // (5)
        if (request.Observe == 1) Observers.Cancel(request.Peer, request.Token);

        // (6)
        if (request.IsDiscovery)
        {
            Finish(exchange, request, Discover(request), block1);
            return;
        }

        if (!TryAcquire())
        {
            Counters.Count(CoapEvent.Shed);
            Finish(exchange, request, Busy(), block1);
            return;
        }

        Ask(exchange, request);
    }

    /// <summary>What the message layer has against a request; null for nothing.</summary>
    private CoapResponse? Refusal(CoapRequest request) => request switch
    {
        { Flaw: RequestFlaw.CriticalOption } => CoapResponse.Error(CoapCode.BadOption, $"option {request.BadOption}"),
        { Flaw: RequestFlaw.Proxy } => CoapResponse.Error(CoapCode.ProxyingNotSupported),
        { Flaw: RequestFlaw.BadValue } => CoapResponse.Error(CoapCode.BadRequest, "a path or query that is no UTF-8, or a reserved block size"),
        { Token.Length: var length } when length > _options.MaxToken => CoapResponse.Error(CoapCode.BadRequest, $"tokens have at most {_options.MaxToken} bytes"),
        { ReceivedBytes: var size } when size > _options.MaxDatagram => CoapResponse.Error(CoapCode.RequestEntityTooLarge, "send it block-wise"),
        { Payload.Length: var size } when size > _options.MaxBody => CoapResponse.Error(CoapCode.RequestEntityTooLarge),
        { Method.IsKnownMethod: false } => CoapResponse.Error(CoapCode.MethodNotAllowed),
        { IsMulticast: true, IsDiscovery: false } => CoapResponse.Error(CoapCode.NotFound),
        _ => null,
    };

    private CoapResponse? Discover(CoapRequest request)
    {
        if (request.Method != CoapCode.Get) return request.IsMulticast ? null : CoapResponse.Error(CoapCode.MethodNotAllowed);
        if (request.Accept is { } accept && accept != ContentFormats.LinkFormat) return request.IsMulticast ? null : CoapResponse.Error(CoapCode.NotAcceptable);
        try
        {
            var document = LinkFormat.Write(_resources.Links, request.Query);
            if (document.Length == 0 && request.IsMulticast) return null;
            return CoapResponse.Text(document) with { ContentFormat = ContentFormats.LinkFormat };
        }
        catch (Exception fault)
        {
            return Fault("listing the links", fault);
        }
    }

    private void Ask(Exchange exchange, CoapRequest request)
    {
        ValueTask<CoapResponse> answer;
        try
        {
#pragma warning disable CA2012 // Awaited by hand, once, in Completed, so that a request that waits costs no state machine.
            answer = _resources.HandleAsync(request, _stopping.Token);
#pragma warning restore CA2012
        }
        catch (Exception fault)
        {
            Answered(exchange, request, Fault("handling a request", fault));
            return;
        }

        exchange.Request = request;
        exchange.Awaiter = answer.GetAwaiter();
        if (exchange.Awaiter.IsCompleted)
        {
            Completed(exchange);
            return;
        }

        // No answer is wanted: say at once that the request is here, so that the client need not repeat it.
        if (request is { IsConfirmable: true, WantsNoAnswer: true }) Exchanges.AcknowledgeNow(exchange);
        else if (request.IsConfirmable) Exchanges.AwaitAcknowledgement(exchange);
        exchange.Awaiter.UnsafeOnCompleted(exchange.Continuation);
    }

    private void Completed(Exchange exchange)
    {
        var request = exchange.Request!;
        CoapResponse response;
        try
        {
            response = exchange.Awaiter.GetResult();
        }
        catch (Exception fault)
        {
            response = Fault("handling a request", fault);
        }

        exchange.Awaiter = default;
        exchange.Request = null;
        Answered(exchange, request, response);
    }

    private void Answered(Exchange exchange, CoapRequest request, CoapResponse response)
    {
        try
        {
            var block1 = request.Block1 is { } block ? block with { More = false } : (BlockValue?)null;
            Finish(exchange, request, response, block1);
        }
        catch (Exception fault)
        {
            // Runs on whatever thread the handler ended on; there is nobody above to report to.
            Fault("answering a request", fault);
        }
        finally
        {
            Release();
        }
    }

    /// <summary>Sends the answer; null means that there is none, and a confirmable request then gets a bare acknowledgement.</summary>
    private void Finish(Exchange exchange, CoapRequest request, CoapResponse? response, BlockValue? block1, bool isStored = false)
    {
        // (7)
        var observe = response is { Code.IsSuccess: true } && request is { Observe: 0, IsMulticast: false, Block2: null or { Number: 0 } } && !isStored ? RegisterObserver(request, response) : null;

        // (8)
        var key = exchange.Key;
        var form = Exchanges.Answer(exchange);
        if (response is null || IsUnwanted(request, response.Code))
        {
            if (form != AnswerForm.Piggybacked) return;
            Span<byte> bare = stackalloc byte[MessageHeader.Size];
            BinaryPrimitives.WriteUInt32BigEndian(bare, 0x6000_0000u | request.MessageId);
            Exchanges.Keep(exchange, key, bare);
            _sender.Send(request.Peer, bare);
            return;
        }

        // (9)
        var (type, id) = form switch
        {
            AnswerForm.Piggybacked => (CoapMessageType.Acknowledgement, request.MessageId),
            AnswerForm.Separate => (CoapMessageType.Confirmable, _ids.Next(request.Peer)),
            AnswerForm.NonConfirmable => (CoapMessageType.NonConfirmable, _ids.Next(request.Peer)),
        };
        Span<byte> buffer = stackalloc byte[AnswerComposer.BufferSize];
        var message = buffer[.._composer.Compose(buffer, request, response, new Envelope(type, id, block1, observe, isStored))];
        if (form == AnswerForm.Separate)
        {
            Counters.Count(CoapEvent.SeparateResponse);
            Outgoing.Send(request.Peer, message.ToArray(), null);
            return;
        }

        Counters.Count(CoapEvent.Response);
        if (form == AnswerForm.Piggybacked) Exchanges.Keep(exchange, key, message);
        if (request.IsMulticast) _leisure.Send(request.Peer, message);
        else _sender.Send(request.Peer, message);
    }

    private CoapResponse? RefuseUpload(CoapRequest request)
    {
        try
        {
            return _resources.RefuseUpload(request);
        }
        catch (Exception fault)
        {
            return Fault("asking whether an upload is welcome", fault);
        }
    }

    private uint? RegisterObserver(CoapRequest request, CoapResponse response)
    {
        if (request.IsDiscovery || (request.Method != CoapCode.Get && request.Method != CoapCode.Fetch)) return null;
        try
        {
            return _resources.Observe(request) is { } observation ? Observers.Register(request, observation, response) : null;
        }
        catch (Exception fault)
        {
            Fault("asking whether a resource can be observed", fault);
            return null;
        }
    }

    /// <summary>RFC 7967 §2.1: bit 2 stands for 2.xx, bit 8 for 4.xx, bit 16 for 5.xx. What steers a block-wise upload is always sent.</summary>
    private static bool IsUnwanted(CoapRequest request, CoapCode code) => code != CoapCode.Continue && (request.NoResponse & (1 << (code.Class - 1))) != 0;

    /// <summary>Runs the handler for observers; exceptions become 5.00.</summary>
    private async ValueTask<CoapResponse> AskAsync(CoapRequest request)
    {
        if (!TryAcquire()) return Busy();
        try
        {
            return await _resources.HandleAsync(request, _stopping.Token);
        }
        catch (Exception fault)
        {
            return Fault("handling a request for observers", fault);
        }
        finally
        {
            Release();
        }
    }

    private CoapResponse Fault(string doing, Exception fault)
    {
        if (_stopping.IsCancellationRequested) return CoapResponse.Error(CoapCode.ServiceUnavailable, "the server is stopping");
        Counters.Count(CoapEvent.HandlerFault);
        _options.OnFault?.Invoke(doing, fault);
        return CoapResponse.Error(CoapCode.InternalServerError);
    }

    private bool TryAcquire()
    {
        // Never from 0 upwards: the engine has stopped then.
        while (true)
        {
            var running = Volatile.Read(ref _running);
            if (running == 0 || running > _options.MaxConcurrent || Volatile.Read(ref _closed)) return false;
            if (Interlocked.CompareExchange(ref _running, running + 1, running) == running) return true;
        }
    }

    private void Release()
    {
        if (Interlocked.Decrement(ref _running) == 0) _drained.TrySetResult();
    }
}
