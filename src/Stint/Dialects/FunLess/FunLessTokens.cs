using Stint.Files;
using Stint.Functions.Deployments;
using Stint.Security.Tokens;

namespace Stint.Dialects.FunLess;

/// <summary>Keeps the tokens of admin and guest good, and the file with them in step, while the daemon runs.</summary>
internal sealed partial class FunLessTokens : IAsyncDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromHours(1);

    private readonly string _path;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _work;

    /// <summary>Reads or makes keys, subjects and file.</summary>
    /// <param name="folder">Where keys and subjects are kept.</param>
    /// <param name="path">The file; null = <c>tokens</c> in that folder.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">For what goes wrong later.</param>
    /// <param name="shared">Keeps them the same at all gateways; null = there is one.</param>
    /// <exception cref="IOException">They cannot be used; the message says what to do.</exception>
    public FunLessTokens(string folder, string? path, TimeProvider time, ILogger logger, ISharedTexts? shared = null)
    {
        (_path, _time, _logger) = (path ?? Path.Combine(folder, "tokens"), time, logger);
        Subjects = new SubjectStore(folder, time, shared) { Adopted = Rewrite };
        // What all gateways share is renewed by the loop, for all.
        if (shared is null) Subjects.RenewOwn();
        FunLessTokenFile.Write(_path, Subjects);
        _work = RenewAsync();
    }

    /// <summary>Who may use FunLess's API.</summary>
    public SubjectStore Subjects { get; }

    /// <summary>Writes the file anew: somebody has given admin or guest another token.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void WriteFile() => FunLessTokenFile.Write(_path, Subjects);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _work.ConfigureAwait(false);
        _stop.Dispose();
    }

    private void Rewrite()
    {
        try
        {
            WriteFile();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            NotRenewed(_logger, failure.Message);
        }
    }

    private async Task RenewAsync()
    {
        using var timer = new PeriodicTimer(LookEvery, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                try
                {
                    if (Subjects.IsRenewalDue && await Subjects.UpdateAsync(static all => all.RenewOwn(), _stop.Token).ConfigureAwait(false)) WriteFile();
                }
                catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or DeploymentException)
                {
                    NotRenewed(_logger, failure.Message);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The daemon stops.
        }
    }

    [LoggerMessage(4010, LogLevel.Warning, "the tokens of FunLess's admin and guest could not be renewed: {Problem} It is tried again every hour.")]
    private static partial void NotRenewed(ILogger logger, string problem);
}
