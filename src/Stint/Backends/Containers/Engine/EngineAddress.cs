using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Stint.Backends.Containers.Engine;

/// <summary>Where a container engine listens: a Unix socket, or TCP with or without TLS.</summary>
internal sealed record EngineAddress
{
    /// <summary>Where Docker Engine listens unless told otherwise.</summary>
    public const string DefaultSocket = "/var/run/docker.sock";

    /// <summary>How addresses are written, for messages.</summary>
    public const string Forms = "unix:///var/run/docker.sock or tcp://host:2375";

    // unix(7): sun_path has 108 bytes, the last of which is a zero.
    private const int LongestSocketPath = 107;

    private EngineAddress()
    {
    }

    /// <summary>The Unix socket's path; null = TCP.</summary>
    public string? SocketPath { get; private init; }

    /// <summary>The host's name or address; null = Unix socket.</summary>
    public string? Host { get; private init; }

    /// <summary>The TCP port.</summary>
    public int Port { get; private init; }

    /// <summary>The folder of <c>ca.pem</c>, <c>cert.pem</c> and <c>key.pem</c> for TLS; null = no TLS.</summary>
    public string? CertificateFolder { get; private init; }

    /// <summary>The engine of this host: what <paramref name="option"/> names, else <c>DOCKER_HOST</c>, else the first socket that exists of Docker's and Podman's, else Docker's.</summary>
    /// <param name="option">The daemon's own setting; null or empty = none.</param>
    /// <param name="variable">Reads the environment.</param>
    /// <exception cref="FormatException">The address that was named is none; the message is for the user.</exception>
    public static EngineAddress Find(string? option, Func<string, string?> variable)
    {
        var certificates = variable("DOCKER_TLS_VERIFY") is { Length: > 0 } ? CertificateFolderOf(variable) : null;
        if (option is { Length: > 0 }) return Parse(option, certificates);
        if (variable("DOCKER_HOST") is { Length: > 0 } named)
            return TryParse(named, certificates, out var address, out var problem) ? address : throw new FormatException($"DOCKER_HOST is '{named}': {problem}");
        return new EngineAddress { SocketPath = UsualSockets(variable).FirstOrDefault(File.Exists) ?? DefaultSocket };
    }

    /// <summary>Reads an address as people write it.</summary>
    /// <param name="certificateFolder">For TLS over TCP; null = none.</param>
    /// <exception cref="FormatException">It is none; the message is for the user.</exception>
    public static EngineAddress Parse(string text, string? certificateFolder = null) =>
        TryParse(text, certificateFolder, out var address, out var problem) ? address : throw new FormatException($"'{text}' names no container engine: {problem}");

    /// <summary>Reads an address as people write it: <c>unix:///path</c>, a path, <c>tcp://host[:port]</c>, <c>http://host[:port]</c>.</summary>
    /// <param name="certificateFolder">For TLS over TCP; null = none.</param>
    /// <param name="problem">What is wrong with it and what would be right.</param>
    public static bool TryParse(string text, string? certificateFolder, [NotNullWhen(true)] out EngineAddress? address, [NotNullWhen(false)] out string? problem)
    {
        text = text.Trim();
        (address, problem) = (null, null);
        var path = text.StartsWith("unix://", StringComparison.OrdinalIgnoreCase) ? text["unix://".Length..] : text.StartsWith('/') ? text : null;
        if (path is not null)
        {
            if (!path.StartsWith('/') || path.Contains('\0')) problem = $"a socket's path begins with '/', as in {Forms}.";
            else if (Encoding.UTF8.GetByteCount(path) > LongestSocketPath) problem = $"a socket's path may have {LongestSocketPath} bytes.";
            else address = new EngineAddress { SocketPath = path };
            return address is not null;
        }
        if (text.StartsWith("ssh://", StringComparison.OrdinalIgnoreCase))
        {
            problem = "engines are not reached over SSH. Forward the socket (ssh -NL /tmp/docker.sock:/var/run/docker.sock HOST) and name unix:///tmp/docker.sock.";
            return false;
        }
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("tcp" or "http" or "https") || uri.Host.Length == 0 || uri.PathAndQuery is not ("/" or "") || uri.UserInfo.Length > 0)
        {
            problem = $"write it like {Forms}.";
            return false;
        }
        if (uri.Scheme == "https" && certificateFolder is null)
        {
            problem = "TLS wants DOCKER_TLS_VERIFY=1 and the certificates' folder in DOCKER_CERT_PATH.";
            return false;
        }
        var tls = uri.Scheme == "http" ? null : certificateFolder;
        // The ports that IANA gives to "docker" and "docker-s".
        var port = text.EndsWith($":{uri.Port}", StringComparison.Ordinal) || text.EndsWith($":{uri.Port}/", StringComparison.Ordinal) ? uri.Port : tls is null ? 2375 : 2376;
        address = new EngineAddress { Host = uri.IdnHost, Port = port, CertificateFolder = tls };
        return true;
    }

    /// <summary>As in <c>DOCKER_HOST</c>.</summary>
    public override string ToString() => SocketPath is not null ? $"unix://{SocketPath}" : $"tcp://{(Host!.Contains(':') ? $"[{Host}]" : Host)}:{Port}";

    private static IEnumerable<string> UsualSockets(Func<string, string?> variable)
    {
        yield return DefaultSocket;
        yield return "/run/podman/podman.sock";
        if (variable("XDG_RUNTIME_DIR") is not { Length: > 0 } own) yield break;
        yield return Path.Combine(own, "docker.sock");
        yield return Path.Combine(own, "podman", "podman.sock");
    }

    private static string CertificateFolderOf(Func<string, string?> variable) =>
        variable("DOCKER_CERT_PATH") is { Length: > 0 } folder ? folder : Path.Combine(variable("HOME") ?? "/", ".docker");
}
