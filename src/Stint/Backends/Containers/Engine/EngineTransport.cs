using System.Buffers;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Stint.Backends.Containers.Engine;

/// <summary>Carries calls to one engine and its answers back: the version in the path, time limits, bounds, and each failure as an <see cref="EngineException"/>.</summary>
internal sealed class EngineTransport : IDisposable
{
    private readonly HttpMessageInvoker _http;
    private readonly string _root;
    private readonly TimeProvider _time;
    private volatile SpokenVersion? _version;

    /// <summary>Sends nothing yet.</summary>
    /// <exception cref="EngineException">The certificates cannot be read.</exception>
    public EngineTransport(EngineAddress address, TimeProvider time)
    {
        (Address, _time, _root) = (address, time, EngineConnector.Root(address));
        _http = new HttpMessageInvoker(EngineConnector.Handler(address));
    }

    /// <summary>Where the engine listens.</summary>
    public EngineAddress Address { get; }

    /// <summary>Asks, and reads the answer's JSON.</summary>
    /// <exception cref="EngineException">It failed.</exception>
    /// <param name="whenEmpty">What an empty answer means; null = that it is unreadable.</param>
    public async Task<T> AskAsync<T>(EngineCall call, JsonTypeInfo<T> type, CancellationToken cancellationToken, T? whenEmpty = null)
        where T : class => await AskAsync(call, await PathAsync(call, cancellationToken), type, cancellationToken, whenEmpty);

    /// <summary>Asks with a path that has its version or needs none, and reads the answer's JSON.</summary>
    /// <exception cref="EngineException">It failed.</exception>
    public async Task<T> AskAsync<T>(EngineCall call, string path, JsonTypeInfo<T> type, CancellationToken cancellationToken, T? whenEmpty = null)
        where T : class
    {
        var (answer, length) = await ReadAsync(call, path, cancellationToken);
        try
        {
            // Podman answers some questions about what does not run with nothing.
            if (length == 0 && whenEmpty is not null) return whenEmpty;
            return JsonSerializer.Deserialize(answer.AsSpan(0, length), type) ?? throw EngineRefusals.NotAnEngine(Address, call, "an empty answer");
        }
        catch (JsonException fault)
        {
            throw EngineRefusals.OfFault(Address, call, fault);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(answer);
        }
    }

    /// <summary>Has something done whose answer says nothing more.</summary>
    /// <exception cref="EngineException">It failed.</exception>
    public async Task DoAsync(EngineCall call, CancellationToken cancellationToken)
    {
        var (answer, _) = await ReadAsync(call, await PathAsync(call, cancellationToken), cancellationToken);
        ArrayPool<byte>.Shared.Return(answer);
    }

    /// <summary>Asks for a stream: returns when the answer has begun. From then on only the caller's own token ends it.</summary>
    /// <exception cref="EngineException">It failed.</exception>
    public async Task<EngineStream> OpenAsync(EngineCall call, CancellationToken cancellationToken)
    {
        var path = await PathAsync(call, cancellationToken);
        using var limit = new CancellationTokenSource(call.Limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        HttpResponseMessage? answer = null;
        try
        {
            answer = await SendAsync(call, path, either.Token);
            return new EngineStream(this, call, answer, await answer.Content.ReadAsStreamAsync(either.Token));
        }
        catch (Exception fault) when (IsOurs(fault, cancellationToken))
        {
            answer?.Dispose();
            throw Failure(call, fault);
        }
    }

    /// <summary>The version that both sides speak; asked for at the first call, and again when the engine was away.</summary>
    /// <exception cref="EngineException">There is none, or the engine is away.</exception>
    public async ValueTask<SpokenVersion> VersionAsync(CancellationToken cancellationToken) =>
        _version ??= await ApiVersion.NegotiateAsync(this, cancellationToken);

    /// <summary>Sends a call whose path needs no version, and returns the answer when it is a good one; its body has not been read.</summary>
    /// <exception cref="EngineException">It failed.</exception>
    public async Task<HttpResponseMessage> SendPlainAsync(EngineCall call, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(call.Limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await SendAsync(call, call.Path, either.Token);
        }
        catch (Exception fault) when (IsOurs(fault, cancellationToken))
        {
            throw Failure(call, fault);
        }
    }

    /// <summary>What a fault of the connection means; the caller's own cancellation is none.</summary>
    public EngineException Failure(in EngineCall call, Exception fault)
    {
        var failure = EngineRefusals.OfFault(Address, call, fault);
        // Another engine may come back.
        if (failure.IsEngineAway) _version = null;
        return failure;
    }

    /// <summary>Whether a fault is the engine's and not the caller's wish to stop.</summary>
    public static bool IsOurs(Exception fault, CancellationToken cancellationToken) => fault switch
    {
        OperationCanceledException => !cancellationToken.IsCancellationRequested,
        HttpRequestException or IOException or System.Net.Sockets.SocketException or JsonException => true,
        _ => false,
    };

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<(byte[] Rented, int Length)> ReadAsync(EngineCall call, string path, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(call.Limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var answer = await SendAsync(call, path, either.Token);
            var (rented, length, isWhole) = await ReadAsync(answer, EngineLimits.Answer, either.Token);
            if (isWhole) return (rented, length);
            ArrayPool<byte>.Shared.Return(rented);
            throw EngineRefusals.NotAnEngine(Address, call, $"an answer longer than {EngineLimits.Answer >> 20} MiB");
        }
        catch (Exception fault) when (IsOurs(fault, cancellationToken))
        {
            throw Failure(call, fault);
        }
    }

    private async ValueTask<string> PathAsync(EngineCall call, CancellationToken cancellationToken)
    {
        try
        {
            return $"/v{(await VersionAsync(cancellationToken)).Version}{call.Path}";
        }
        catch
        {
            call.Body?.Dispose();
            throw;
        }
    }

    /// <summary>Sends, and returns only a good answer, of which the headers have arrived.</summary>
    private async Task<HttpResponseMessage> SendAsync(EngineCall call, string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(call.Method, _root + path) { Content = call.Body };
        var answer = await _http.SendAsync(request, cancellationToken);
        if (answer.IsSuccessStatusCode || call.IsIdempotent && answer.StatusCode is HttpStatusCode.NotModified) return answer;
        using (answer)
        {
            var (rented, length, _) = await ReadAsync(answer, EngineLimits.Error, cancellationToken);
            try
            {
                throw EngineRefusals.OfAnswer(Address, call, answer.StatusCode, rented.AsSpan(0, length));
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }

    private static async Task<(byte[] Rented, int Length, bool IsWhole)> ReadAsync(HttpResponseMessage answer, int most, CancellationToken cancellationToken)
    {
        var rented = ArrayPool<byte>.Shared.Rent(4096);
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
            var length = 0;
            while (true)
            {
                var read = await body.ReadAsync(rented.AsMemory(length), cancellationToken);
                length += read;
                if (read == 0) return (rented, length, true);
                if (length < rented.Length) continue;
                if (length >= most) return (rented, length, false);
                var larger = ArrayPool<byte>.Shared.Rent(rented.Length * 2);
                rented.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(rented);
                rented = larger;
            }
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(rented);
            throw;
        }
    }
}
