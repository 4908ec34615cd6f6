namespace Stint.Cluster.Workers;

/// <summary>What a worker tells a gateway every second. Its name is its certificate's.</summary>
/// <param name="Instance">One run of its daemon.</param>
/// <param name="Addresses">Where gateways reach it: <c>HOST:PORT</c>, with commas.</param>
/// <param name="Labels">What the operator said of it.</param>
/// <param name="Report">Its load, as the store has it (<see cref="Nodes.NodeReport"/>).</param>
/// <param name="IsLeaving">It stops: it is to be called no more.</param>
/// <param name="Started">When this run of its daemon began, by its own clock, milliseconds since 1970; 0: an older program, which does not say.</param>
internal sealed record WorkerReport(string Instance, string Addresses, Dictionary<string, string> Labels, string Report, bool IsLeaving, long Started = 0);

/// <summary>What the gateway tells it.</summary>
/// <param name="Gateway">The gateway's name.</param>
/// <param name="IsDraining">It gets no new calls.</param>
/// <param name="IsTaken">Another machine of that name is alive, or a later start of this one; it is not among the workers.</param>
/// <param name="Revoked">Certificates that are refused although they have not expired.</param>
internal sealed record ReportAnswer(string Gateway, bool IsDraining, bool IsTaken, IReadOnlyList<string> Revoked);

/// <summary>Paths between gateways and workers.</summary>
internal static class WorkerPaths
{
    /// <summary><see cref="WorkerReport"/>, of a worker to a gateway.</summary>
    public const string Report = "/report";

    /// <summary>Code by hash, of a worker to a gateway: <c>stint-function</c>, <c>stint-hash</c>; the answer is a <see cref="Store.FolderArchive"/>.</summary>
    public const string Code = "/code";

    /// <summary><see cref="Cache.SecretsQuestion"/>, of a worker to a gateway.</summary>
    public const string Secrets = "/secrets";

    /// <summary><see cref="Cache.CacheQuestion"/>, of a worker to a gateway.</summary>
    public const string Cache = "/cache";

    /// <summary><see cref="Cache.PrepareQuestion"/>, of a gateway to a worker.</summary>
    public const string Prepare = "/prepare";

    /// <summary>Whether it is there, of a gateway to a worker.</summary>
    public const string Ping = "/ping";
}
