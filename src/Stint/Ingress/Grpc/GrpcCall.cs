using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using Google.Protobuf;
using Microsoft.AspNetCore.Http.Features;
using Stint.Ingress.Grpc.Wire;

namespace Stint.Ingress.Grpc;

/// <summary>One call, from its headers to its trailers, on one HTTP/2 stream. Used by one flow at a time.</summary>
internal sealed class GrpcCall : IDisposable
{
    // The longest that a timer takes is 2^32 - 2 ms; a caller who waits for weeks will not miss the difference.
    private static readonly TimeSpan LongestTimeout = TimeSpan.FromDays(30);

    private readonly IHttpResponseFeature _response;
    private readonly IHttpResponseBodyFeature _output;
    private readonly IFeatureCollection _features;
    private readonly MessageReader _reader;
    private readonly TimeProvider _time;
    private readonly long _startedAt;
    private readonly TimeSpan? _timeout;
    private readonly CancellationTokenSource? _deadline;
    private readonly CancellationTokenRegistration _callerLeaves;
    private readonly bool _gzip;

    /// <summary>Reads what the request's headers say of the protocol.</summary>
    /// <exception cref="GrpcException">They ask for an encoding that is not known, or are malformed.</exception>
    public GrpcCall(IFeatureCollection features, IHttpRequestFeature request, IHttpResponseFeature response, int maxMessage, TimeProvider time)
    {
        (_features, _response, _time) = (features, response, time);
        _output = features.GetRequiredFeature<IHttpResponseBodyFeature>();
        Metadata = request.Headers;
        CallerGone = features.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted;

        string? encoding = Metadata["grpc-encoding"];
        _gzip = encoding == MessageEncoding.Gzip;
        if (encoding is not (null or "identity" or MessageEncoding.Gzip))
        {
            response.Headers["grpc-accept-encoding"] = MessageEncoding.Accepted;
            throw new GrpcException(GrpcStatusCode.Unimplemented, $"grpc-encoding '{Http.HttpError.Printable(encoding)}' is not known here; {MessageEncoding.Accepted} are");
        }
        _reader = new MessageReader(features.GetRequiredFeature<IRequestBodyPipeFeature>().Reader, maxMessage, _gzip);
        // A client that compresses gets the same; one that only could is spared the work, and so is this machine.
        _gzip &= MessageEncoding.AcceptsGzip((string?)Metadata["grpc-accept-encoding"]);
        if (_gzip) response.Headers["grpc-encoding"] = MessageEncoding.Gzip;

        if ((string?)Metadata["grpc-timeout"] is { } text)
        {
            if (!GrpcTimeout.TryParse(text, out var timeout)) throw new GrpcException(GrpcStatusCode.Internal, $"grpc-timeout '{Http.HttpError.Printable(text)}' is none");
            _timeout = timeout < LongestTimeout ? timeout : LongestTimeout;
            _startedAt = time.GetTimestamp();
            _deadline = new CancellationTokenSource(_timeout.Value, time);
            _callerLeaves = CallerGone.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), _deadline);
        }
    }

    /// <summary>The request's headers.</summary>
    public IHeaderDictionary Metadata { get; }

    /// <summary>Fires when the client has cancelled the call or its connection is gone.</summary>
    public CancellationToken CallerGone { get; }

    /// <summary>Fires at the caller's deadline too.</summary>
    public CancellationToken Ended => _deadline?.Token ?? CallerGone;

    /// <summary>The caller's address.</summary>
    public IPAddress? From => _features.Get<IHttpConnectionFeature>()?.RemoteIpAddress;

    /// <summary>What is left until the caller's deadline; null when it has none.</summary>
    public TimeSpan? TimeLeft => _timeout is { } timeout ? TimeSpan.FromTicks(Math.Max(0, (timeout - _time.GetElapsedTime(_startedAt)).Ticks)) : null;

    /// <summary>Response metadata; until the first message has been written.</summary>
    public IHeaderDictionary ResponseMetadata => _response.Headers;

    private PipeWriter Output => _output.Writer;

    /// <summary>The one message of a unary or server-streaming call.</summary>
    public ValueTask<T> ReadSingleAsync<T>(MessageParser<T> parser) where T : class, IMessage<T> => _reader.ReadSingleAsync(parser, Ended);

    /// <summary>The next message of a client-streaming call; null at their end.</summary>
    public ValueTask<T?> ReadAsync<T>(MessageParser<T> parser, CancellationToken cancellationToken) where T : class, IMessage<T> => _reader.ReadAsync(parser, cancellationToken);

    /// <summary>Writes a message that goes out together with the trailers: the answer of a unary call.</summary>
    public void Write(IMessage message) => MessageWriter.Write(Output, message, _gzip);

    /// <summary>Writes a message and waits until the client's flow control has let it through.</summary>
    public async ValueTask SendAsync(IMessage message)
    {
        Write(message);
        var flush = await Output.FlushAsync(Ended).ConfigureAwait(false);
        if (flush.IsCompleted || flush.IsCanceled) throw new OperationCanceledException("the client has gone");
        Ended.ThrowIfCancellationRequested();
    }

    /// <summary>
    /// Ends the call. Without a message before it, the status goes out in the response's only header block, which is its trailers at the same time
    /// (<c>Trailers-Only</c>, doc/PROTOCOL-HTTP2.md).
    /// </summary>
    public static void Finish(IFeatureCollection features, IHttpResponseFeature response, bool hasMessages, GrpcStatus status)
    {
        var trailers = hasMessages || response.HasStarted ? features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers : response.Headers;
        trailers["grpc-status"] = Digits(status.Code);
        if (status.Message.Length > 0) trailers["grpc-message"] = PercentEncoding.Encode(status.Message);
        if (status.RetryAfter is { } wait) trailers["grpc-retry-pushback-ms"] = ((long)Math.Ceiling(wait.TotalMilliseconds)).ToString(CultureInfo.InvariantCulture);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _callerLeaves.Dispose();
        _deadline?.Dispose();
    }

    private static string Digits(GrpcStatusCode code) => code == GrpcStatusCode.Ok ? "0" : ((int)code).ToString(CultureInfo.InvariantCulture);
}
