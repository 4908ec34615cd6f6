using System.Net;
using Stint.Cluster.Transport;

namespace Stint.Cluster.Cache;

/// <summary>A worker's way to the gateways: the one that answered last, and when it does not, the next.</summary>
internal sealed class CoreLinks : IDisposable
{
    private readonly NodeLink[] _links;
    private readonly IReadOnlyList<DnsEndPoint> _cores;
    private volatile int _current;

    /// <param name="cores">Where they are; at least one.</param>
    /// <param name="credentials">This machine.</param>
    public CoreLinks(IReadOnlyList<DnsEndPoint> cores, NodeCredentials credentials) => (_cores, _links) = (cores, [.. cores.Select(core => NodeLink.ToGateway(core, credentials))]);

    /// <summary>The one that answered last.</summary>
    public NodeLink Current => _links[_current];

    /// <summary>The same in words.</summary>
    public string Shown => $"{_cores[_current].Host}:{_cores[_current].Port}";

    /// <summary>Asks one after the other until one answers.</summary>
    /// <param name="ask">Asks one.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="HttpRequestException">None could be reached, or the last one could not.</exception>
    /// <exception cref="NodeRefusedException">The last one refused, or one refused this machine for good (403).</exception>
    public async Task<T> AskAsync<T>(Func<NodeLink, CancellationToken, Task<T>> ask, CancellationToken cancellationToken)
    {
        var first = _current;
        for (var i = 0; ; i++)
        {
            var place = (first + i) % _links.Length;
            try
            {
                var answer = await ask(_links[place], cancellationToken).ConfigureAwait(false);
                _current = place;
                return answer;
            }
            catch (Exception e) when (i < _links.Length - 1 && !cancellationToken.IsCancellationRequested && e is HttpRequestException or NodeProtocolException or NodeRefusedException { Status: not 403 } or OperationCanceledException)
            {
                // The next one may.
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var link in _links) link.Dispose();
    }
}
