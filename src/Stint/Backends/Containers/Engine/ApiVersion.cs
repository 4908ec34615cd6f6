using System.Globalization;

namespace Stint.Backends.Containers.Engine;

/// <summary>Which version of the Engine API is spoken: the engine's own, up to the newest that we know.</summary>
internal readonly record struct ApiVersion(int Major, int Minor) : IComparable<ApiVersion>
{
    /// <summary>Docker Engine 20.10 and Podman 3: the first with one-shot statistics.</summary>
    public static readonly ApiVersion Oldest = new(1, 41);

    /// <summary>Docker Engine 25; also the oldest that Docker Engine 29 still speaks.</summary>
    public static readonly ApiVersion Newest = new(1, 44);

    /// <summary>Asks the engine and chooses.</summary>
    /// <exception cref="EngineException">The engine is away, too old, or no engine.</exception>
    public static async Task<SpokenVersion> NegotiateAsync(EngineTransport transport, CancellationToken cancellationToken)
    {
        var ping = new EngineCall(HttpMethod.Get, "/_ping", "answer a ping");
        using var pong = await transport.SendPlainAsync(ping, cancellationToken);
        if (!pong.Headers.TryGetValues("Api-Version", out var named) || !TryParse(named.First(), out var theirs))
            throw EngineRefusals.NotAnEngine(transport.Address, ping, "no API version");
        if (theirs < Oldest)
            throw new EngineException(EngineFault.Rejected, $"the container engine at {transport.Address} is too old: its API has version {theirs}, and {Oldest} is needed. Install Docker Engine 20.10 or newer, or Podman 3 or newer.");
        var isPodman = pong.Headers.Contains("Libpod-Api-Version");
        if (theirs <= Newest) return new SpokenVersion(theirs, isPodman);
        var oldestOfTheirs = await OldestOfAsync(transport, cancellationToken);
        return new SpokenVersion(oldestOfTheirs > Newest ? oldestOfTheirs : Newest, isPodman);
    }

    /// <summary>Reads <c>1.41</c>.</summary>
    public static bool TryParse(string? text, out ApiVersion version)
    {
        var parts = (text ?? "").Split('.');
        version = default;
        if (parts.Length < 2 || !int.TryParse(parts[0], CultureInfo.InvariantCulture, out var major) || !int.TryParse(parts[1], CultureInfo.InvariantCulture, out var minor)) return false;
        version = new ApiVersion(major, minor);
        return major is >= 0 and < 1000 && minor is >= 0 and < 100_000;
    }

    /// <inheritdoc/>
    public int CompareTo(ApiVersion other) => (Major, Minor).CompareTo((other.Major, other.Minor));

    /// <summary>Whether it is older.</summary>
    public static bool operator <(ApiVersion a, ApiVersion b) => a.CompareTo(b) < 0;

    /// <summary>Whether it is newer.</summary>
    public static bool operator >(ApiVersion a, ApiVersion b) => a.CompareTo(b) > 0;

    /// <summary>Whether it is not newer.</summary>
    public static bool operator <=(ApiVersion a, ApiVersion b) => a.CompareTo(b) <= 0;

    /// <summary>Whether it is not older.</summary>
    public static bool operator >=(ApiVersion a, ApiVersion b) => a.CompareTo(b) >= 0;

    /// <inheritdoc/>
    public override string ToString() => $"{Major}.{Minor}";

    private static async Task<ApiVersion> OldestOfAsync(EngineTransport transport, CancellationToken cancellationToken)
    {
        var call = new EngineCall(HttpMethod.Get, "/version", "tell its version");
        var version = await transport.AskAsync(call, call.Path, EngineJson.Default.EngineVersion, cancellationToken);
        return TryParse(version.MinApiVersion, out var oldest) ? oldest : Newest;
    }
}

/// <summary>What is spoken with an engine.</summary>
/// <param name="Version">The version of the API.</param>
/// <param name="IsPodman">With Podman, which differs here and there (docs/containers.md).</param>
internal sealed record SpokenVersion(ApiVersion Version, bool IsPodman);
