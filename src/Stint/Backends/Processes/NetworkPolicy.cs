using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;

namespace Stint.Backends.Processes;

/// <summary>
/// What a function gets that asks for some part of the network, or for none in particular, on a host that may not have it: who asks for <c>outbound</c> gets that or an error; who asks for nothing gets what
/// there is, and the operator is told once.
/// </summary>
/// <param name="networks">Makes networks.</param>
/// <param name="byDefault">What functions get that do not say: <c>outbound</c> or <c>none</c>.</param>
/// <param name="logger">For the operator.</param>
internal sealed partial class NetworkPolicy(ISandboxNetworks networks, NetworkAccess byDefault, ILogger<ProcessHost> logger)
{
    private string? _told;

    /// <summary>Why functions that do not ask for it have no way to the world although they should; null when they have, or nobody has needed it.</summary>
    public string? Problem => byDefault == NetworkAccess.Outbound ? networks.Problem : null;

    /// <summary>What an operator should know.</summary>
    public string? Warning => Problem is { } problem ? $"functions have no network unless they ask for the host's: {problem}" : networks.Warning;

    /// <summary>What a function has that asks for this, as far as is known now; and why it has less than it should.</summary>
    public (NetworkAccess Access, string? Problem) Describe(NetworkAccess? asked) => (asked, Problem) switch
    {
        ({ } said, _) => (said, null), // or it does not run at all
        (null, null) => (byDefault, null),
        (null, { } problem) => (NetworkAccess.None, problem),
    };

    /// <summary>What a function that asks for this gets.</summary>
    /// <exception cref="InstanceStartException">It asks for <c>outbound</c>, and there is none.</exception>
    public async ValueTask<NetworkAccess> ResolveAsync(NetworkAccess? asked, CancellationToken cancellationToken)
    {
        var wanted = asked ?? byDefault;
        if (wanted != NetworkAccess.Outbound || await networks.EnsureAsync(cancellationToken).ConfigureAwait(false) is not { } problem) return wanted;
        if (asked is not null) throw new InstanceStartException($"network = \"outbound\" cannot be had on this host: {problem}") { IsHostsFault = true };
        if (Interlocked.Exchange(ref _told, problem) != problem) NoNetwork(logger, problem);
        return NetworkAccess.None;
    }

    [LoggerMessage(205, LogLevel.Warning, "functions have no network: {Problem}. Those that say network = \"outbound\" are refused; network = \"none\" needs nothing")]
    private static partial void NoNetwork(ILogger logger, string problem);
}
