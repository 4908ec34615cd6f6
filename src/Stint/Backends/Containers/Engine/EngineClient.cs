// Our own client of the Docker Engine API (docs.docker.com/reference/api/engine), because no package of one restores where this is built (docs/dependencies.md): the calls that backends and
// commands need, nothing else. Names and fields are the API's. Docker Engine 20.10 and newer and Podman's compatible socket answer it.
//
//   EngineClient ──▶ Containers, Networks, Images, Volumes, Services      one method a call
//        └─────────▶ EngineTransport ──▶ EngineConnector     time limits, bounds, faults; sockets and TLS
namespace Stint.Backends.Containers.Engine;

/// <summary>One container engine. Safe for any number of callers; every method throws <see cref="EngineException"/> when the call fails, and ends at once when its token fires.</summary>
internal sealed class EngineClient : IDisposable
{
    private readonly EngineTransport _transport;

    /// <summary>A client of the engine at <paramref name="address"/>; nothing is sent yet.</summary>
    /// <exception cref="EngineException">The certificates cannot be read.</exception>
    public EngineClient(EngineAddress address, TimeProvider time)
    {
        _transport = new EngineTransport(address, time);
        Containers = new ContainerCalls(_transport);
        Networks = new NetworkCalls(_transport);
        Images = new ImageCalls(_transport);
        Volumes = new VolumeCalls(_transport);
        Services = new ServiceCalls(_transport);
    }

    /// <summary>Where the engine listens.</summary>
    public EngineAddress Address => _transport.Address;

    /// <summary>Calls about containers.</summary>
    public ContainerCalls Containers { get; }

    /// <summary>Calls about networks.</summary>
    public NetworkCalls Networks { get; }

    /// <summary>Calls about images.</summary>
    public ImageCalls Images { get; }

    /// <summary>Calls about volumes.</summary>
    public VolumeCalls Volumes { get; }

    /// <summary>Calls about a swarm.</summary>
    public ServiceCalls Services { get; }

    /// <summary>Returns when an engine answers whose API we speak.</summary>
    public async Task PingAsync(CancellationToken cancellationToken)
    {
        await _transport.VersionAsync(cancellationToken);
        await _transport.DoAsync(new(HttpMethod.Get, "/_ping", "answer a ping"), cancellationToken);
    }

    /// <summary>Which version of the API is spoken, and whether with Podman.</summary>
    public ValueTask<SpokenVersion> NegotiateAsync(CancellationToken cancellationToken) => _transport.VersionAsync(cancellationToken);

    /// <summary><c>GET /version</c>.</summary>
    public Task<EngineVersion> ReadVersionAsync(CancellationToken cancellationToken) =>
        _transport.AskAsync(new(HttpMethod.Get, "/version", "tell its version"), EngineJson.Default.EngineVersion, cancellationToken);

    /// <summary><c>GET /info</c>.</summary>
    public Task<EngineInfo> ReadInfoAsync(CancellationToken cancellationToken) =>
        _transport.AskAsync(new(HttpMethod.Get, "/info", "describe itself"), EngineJson.Default.EngineInfo, cancellationToken);

    /// <summary><c>GET /events</c>: what happens from now on, and, when asked for, since a moment of the past that the engine remembers. Returns when the engine has answered.</summary>
    /// <param name="filters">Only of these; null = all.</param>
    /// <param name="since">Nanoseconds since 1970 by the engine's clock; null = from now on.</param>
    public async Task<IAsyncEnumerable<EngineEvent>> OpenEventsAsync(EngineFilters? filters, long? since, CancellationToken cancellationToken)
    {
        var path = new EnginePath("/events").With("filters", filters).With("since", since is { } moment ? EngineTime.Format(moment) : null);
        var stream = await _transport.OpenAsync(new(HttpMethod.Get, path.ToString(), "tell its events"), cancellationToken);
        return ReadAsync(stream, cancellationToken);

        static async IAsyncEnumerable<EngineEvent> ReadAsync(EngineStream stream, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await using (stream)
            {
                await foreach (var item in stream.ReadObjectsAsync(EngineJson.Default.EngineEvent, cancellationToken)) yield return item;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _transport.Dispose();
}
