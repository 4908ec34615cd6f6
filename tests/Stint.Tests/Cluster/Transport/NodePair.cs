using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Identity;
using Stint.Cluster.Transport;

namespace Stint.Tests.Cluster.Transport;

/// <summary>Machines of a cluster in this process, a gateway and a worker unless a test says otherwise, the second one listening: real sockets, real TLS, real Kestrel.</summary>
internal sealed class NodePair : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-pair-").FullName;
    private readonly ClusterAuthority _authority = ClusterAuthority.Create(TimeProvider.System.GetUtcNow());
    private readonly WebApplication _services;
    private readonly NodeEndpoint _endpoint;
    private readonly List<NodeEndpoint> _others = [];
    private readonly List<NodeCredentials> _credentials = [];

    private NodePair(IReadOnlyDictionary<string, NodeHandler> handlers, NodeRole? caller, NodeRole? callee, NodeRole admits)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        _services = builder.Build();
        (Caller, CallersSerial) = Join("caller", caller);
        (Callee, _) = Join("callee", callee);
        _endpoint = new NodeEndpoint([IPAddress.Loopback], 0, Callee, admits, handlers, _services.Services, NullLoggerFactory.Instance);
    }

    /// <summary>Who asks.</summary>
    public NodeCredentials Caller { get; }

    /// <summary>The number of its certificate.</summary>
    public string CallersSerial { get; }

    /// <summary>Who is asked.</summary>
    public NodeCredentials Callee { get; }

    /// <summary>Where.</summary>
    public DnsEndPoint Address => new("127.0.0.1", _endpoint.Port);

    /// <summary>Makes both, and has the second one listen.</summary>
    public static async Task<NodePair> StartAsync(IReadOnlyDictionary<string, NodeHandler> handlers, NodeRole? caller = NodeRole.Gateway, NodeRole? callee = NodeRole.Worker, NodeRole admits = NodeRole.Gateway)
    {
        var pair = new NodePair(handlers, caller, callee, admits);
        await pair._endpoint.StartAsync(default);
        return pair;
    }

    /// <summary>The authority, for a token.</summary>
    public string Fingerprint => _authority.Fingerprint;

    /// <summary>The authority's certificate, DER.</summary>
    public byte[] AuthorityBytes => _authority.CertificateBytes;

    /// <summary>Has a further machine listen.</summary>
    public async Task<DnsEndPoint> ListenAsync(NodeCredentials credentials, NodeRole admits, IReadOnlyDictionary<string, NodeHandler> handlers)
    {
        var endpoint = new NodeEndpoint([IPAddress.Loopback], 0, credentials, admits, handlers, _services.Services, NullLoggerFactory.Instance);
        _others.Add(endpoint);
        await endpoint.StartAsync(default);
        return new DnsEndPoint("127.0.0.1", endpoint.Port);
    }

    /// <summary>The way from one to the other.</summary>
    public NodeLink Link() => NodeLink.ToNode("callee", [Address], Caller);

    /// <summary>Sends a request with these headers; status and body.</summary>
    public static async Task<(int Status, string Body, HttpResponseMessage Response)> SendAsync(NodeLink link, string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(link.Base, path)) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        var response = await link.SendAsync(request, default);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(), response);
    }

    /// <summary>Stops the second one as a daemon does.</summary>
    public Task StopCalleeAsync(CancellationToken deadline) => _endpoint.StopAsync(deadline);

    /// <summary>A further machine of the cluster.</summary>
    public (NodeCredentials Credentials, string Serial) Join(string name, NodeRole? role = NodeRole.Worker)
    {
        var folder = Path.Combine(_folder, name);
        var issued = _authority.Issue(name, role, NodeIdentity.Request(folder, name), TimeProvider.System.GetUtcNow());
        var credentials = new NodeCredentials(NodeIdentity.Accept(folder, issued.Bytes, _authority.CertificateBytes, _authority.Fingerprint));
        _credentials.Add(credentials);
        return (credentials, issued.Serial);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var endpoint in (NodeEndpoint[])[_endpoint, .. _others])
        {
            using (var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20))) await endpoint.StopAsync(limit.Token);
            await endpoint.DisposeAsync();
        }
        await _services.DisposeAsync();
        foreach (var credentials in _credentials) credentials.Dispose();
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
