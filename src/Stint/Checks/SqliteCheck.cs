using Stint.Deliveries.Storage.Sqlite;

namespace Stint.Checks;

/// <summary>Asynchronous calls, and results on their way, are kept by the system's SQLite.</summary>
internal sealed class SqliteCheck : ICheck
{
    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken) => Task.FromResult(SqliteLibrary.Problem is { } problem
        ? new CheckResult("sqlite", CheckStatus.Degraded, $"{problem}: asynchronous calls are refused.", Packages.Install("libsqlite3-0", "sqlite-libs", "sqlite-libs", "sqlite"), Concern.Comfort)
        : new CheckResult("sqlite", CheckStatus.Fine, $"version {SqliteLibrary.Version} keeps asynchronous calls.", null, Concern.Comfort));
}
