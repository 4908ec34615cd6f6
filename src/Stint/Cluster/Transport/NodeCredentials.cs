using System.Net.Security;
using Stint.Cluster.Identity;

namespace Stint.Cluster.Transport;

/// <summary>This machine's certificate as it is now, and whom it refuses: both change while it runs. Connections that are there stay; new ones have what is new.</summary>
internal sealed class NodeCredentials : IDisposable
{
    private readonly Lock _lock = new();
    private volatile HashSet<string> _revoked = [];
    private State _state;

    /// <param name="identity">This machine; taken over.</param>
    public NodeCredentials(NodeIdentity identity) => _state = StateOf(identity);

    /// <summary>This machine.</summary>
    public NodeIdentity Identity => _state.Identity;

    /// <summary>How machines recognise each other.</summary>
    public NodeTls Tls => _state.Tls;

    /// <summary>For connections from machines, and from those that want to become one when <paramref name="isGateway"/>.</summary>
    public SslServerAuthenticationOptions Server(bool isGateway, Action<string> onRefused)
    {
        lock (_lock) return isGateway ? _state.Open ??= _state.Tls.FromNodes(onRefused, allowsStrangers: true) : _state.Closed ??= _state.Tls.FromNodes(onRefused);
    }

    /// <summary>Whether a certificate's serial number, lower-case hex, is refused.</summary>
    public bool IsRevoked(string serial) => _revoked.Contains(serial);

    /// <summary>Serial numbers that are refused from now on.</summary>
    public IReadOnlyCollection<string> Revoked
    {
        get => _revoked;
        set => _revoked = [.. value];
    }

    /// <summary>A new certificate. The old one is not disposed of: connections may be using it this moment.</summary>
    public void Renew(NodeIdentity identity)
    {
        lock (_lock) _state = StateOf(identity);
    }

    /// <inheritdoc/>
    public void Dispose() => _state.Identity.Dispose();

    private State StateOf(NodeIdentity identity) => new(identity, new NodeTls(identity, IsRevoked));

    private sealed class State(NodeIdentity identity, NodeTls tls)
    {
        public NodeIdentity Identity => identity;

        public NodeTls Tls => tls;

        public SslServerAuthenticationOptions? Open { get; set; }

        public SslServerAuthenticationOptions? Closed { get; set; }
    }
}
