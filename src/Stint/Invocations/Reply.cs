using System.Buffers;

namespace Stint.Invocations;

/// <summary>
/// How an invocation ended, and the answer if there is one. The ingress that asked disposes of it after it has sent the body.
/// A function's failure and the platform's own are both replies; exceptions are for what nobody expected.
/// </summary>
internal sealed class Reply : IDisposable
{
    private byte[]? _rented;

    private Reply(Outcome outcome) => Outcome = outcome;

    /// <summary>How the invocation ended.</summary>
    public Outcome Outcome { get; }

    /// <summary>The function's own status, 200 to 599, when it answered; 101 with a <see cref="Tunnel"/>.</summary>
    public int Status { get; private init; } = 200;

    /// <summary>The function's headers; empty unless it answered. They must not be changed.</summary>
    public HeaderList Headers { get; private init; } = HeaderList.None;

    /// <summary>The body, or its first piece when <see cref="Rest"/> is set. Valid until <see cref="Dispose"/>.</summary>
    public ReadOnlyMemory<byte> Body { get; private init; }

    /// <summary>The pieces that follow <see cref="Body"/>, when the answer is streamed.</summary>
    public IReplyStream? Rest { get; private init; }

    /// <summary>
    /// The whole body's length in bytes, when it is known although <see cref="Body"/> is not all of it: the rest is streamed, or there is none because it was a HEAD request.
    /// </summary>
    public long? Length { get; private init; }

    /// <summary>Caller and function have changed to another protocol (<see cref="Invocation.Upgrade"/>): the way between them, with <see cref="Status"/> 101 and no body.</summary>
    public ITunnel? Tunnel { get; private init; }

    /// <summary>One line for the caller: what failed, why, what to do. Null when the function answered.</summary>
    public string? Error { get; private init; }

    /// <summary>When another try may succeed, for <see cref="Outcome.Shed"/> and <see cref="Outcome.Unavailable"/>.</summary>
    public TimeSpan? RetryAfter { get; private init; }

    /// <summary>
    /// The instance goes on serving although this is <see cref="Outcome.Crashed"/> or <see cref="Outcome.ContractBroken"/>: only the call's own connection was lost, other calls in it go on.
    /// </summary>
    public bool InstanceGoesOn { get; private init; }

    /// <summary>It failed because more calls came than the function or the host can serve, and for no other reason.</summary>
    public bool IsOverload { get; private init; }

    /// <summary>
    /// Null when the instance is done with the call: the usual case. Otherwise the call goes on in the instance after this reply (its body is
    /// still streamed, or it was cancelled and has not yet acknowledged), and this ends with true when the instance is free again, with false when
    /// it can serve nobody any more.
    /// </summary>
    public Task<bool>? Completion { get; set; }

    /// <summary>A function's answer whose body lies in <paramref name="rented"/>, an array of the shared pool that the reply returns.</summary>
    public static Reply Answer(
        int status, HeaderList headers, ReadOnlyMemory<byte> body, byte[]? rented = null, IReplyStream? rest = null, Task<bool>? completion = null, long? length = null) =>
        new(Outcome.Answered) { Status = status, Headers = headers, Body = body, Rest = rest, Completion = completion, Length = length, _rented = rented };

    /// <summary>The function agreed to change protocols. The call goes on in its instance until the tunnel ends.</summary>
    public static Reply SwitchProtocols(HeaderList headers, ITunnel tunnel, Task<bool> completion) =>
        new(Outcome.Answered) { Status = 101, Headers = headers, Tunnel = tunnel, Completion = completion };

    /// <summary>A failure, with its text for the caller.</summary>
    public static Reply Failure(Outcome outcome, string error, TimeSpan? retryAfter = null, Task<bool>? completion = null) =>
        new(outcome) { Error = error, RetryAfter = retryAfter, Completion = completion };

    /// <summary>A call that was lost with its connection to an instance that lives, see <see cref="InstanceGoesOn"/>.</summary>
    public static Reply Lost(Outcome outcome, string error) => new(outcome) { Error = error, InstanceGoesOn = true };

    /// <summary>A failure for want of capacity, see <see cref="IsOverload"/>.</summary>
    public static Reply Overload(Outcome outcome, string error, TimeSpan retryAfter) => new(outcome) { Error = error, RetryAfter = retryAfter, IsOverload = true };

    /// <summary>The same answer with another stream in place of <see cref="Rest"/>. It takes this one's place, which must not be used or disposed of any more.</summary>
    public Reply With(IReplyStream rest) => new(Outcome)
    {
        Status = Status, Headers = Headers, Body = Body, Rest = rest, Length = Length, Completion = Completion, _rented = Interlocked.Exchange(ref _rented, null),
    };

    /// <summary>Gives the body's buffer back and abandons what has not been streamed.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _rented, null) is { } rented) ArrayPool<byte>.Shared.Return(rented);
        Rest?.Dispose();
        Tunnel?.Dispose();
    }
}

/// <summary>The later pieces of a streamed answer. Disposing before the end tells the instance to stop.</summary>
internal interface IReplyStream : IDisposable
{
    /// <summary>The next piece, valid until the next call; empty at the end.</summary>
    /// <exception cref="IOException">The instance died, or the deadline passed, in the middle of its answer.</exception>
    ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken);
}

/// <summary>Bytes both ways between a caller and a function that have left HTTP: read by one flow, written by one other. Disposing ends it.</summary>
internal interface ITunnel : IReplyStream
{
    /// <summary>Passes bytes on to the function, as fast as it takes them.</summary>
    /// <exception cref="IOException">It takes no more.</exception>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>The caller will send no more; what the function still sends can be read.</summary>
    void EndWriting();
}

/// <summary>Thrown by an ingress's body reader when the body turns out larger than the limit.</summary>
internal sealed class BodyTooLargeException(string message) : IOException(message);
