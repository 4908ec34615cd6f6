using Stint.Cluster.Cache;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.Invocations;

namespace Stint.Cluster.Dispatch;

/// <summary>Tells workers of a deployment or a removal, so that the first call there finds the code. What it does not reach is found out by the call itself, or by the worker's next comparison.</summary>
/// <param name="directory">The workers.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Log.</param>
internal sealed partial class CodePush(WorkerDirectory directory, TimeProvider time, ILogger<CodePush> logger)
{
    // A worker may have to build the function: as long as a deployment waits for it, not longer.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ILogger _logger = logger;

    /// <summary>Has all workers fetch a version; ends when all have it, have refused, or took too long. Never throws but when it is given up.</summary>
    public Task PrepareAsync(FunctionName function, CodeVersion version, CancellationToken cancellationToken) =>
        TellAsync(new PrepareQuestion(new CachedVersion(function.ToString(), version.Hash, version.Change, version.Secrets), IsGone: false), cancellationToken);

    /// <summary>Has all workers let a function go.</summary>
    public Task EvictAsync(FunctionName function, CancellationToken cancellationToken) =>
        TellAsync(new PrepareQuestion(new CachedVersion(function.ToString(), new string('0', 64), 0, 0), IsGone: true), cancellationToken);

    private Task TellAsync(PrepareQuestion question, CancellationToken cancellationToken) =>
        Task.WhenAll(directory.Workers.Where(static worker => worker is { IsAlive: true, IsReachable: true, IsDraining: false }).Select(worker => TellAsync(worker, question, cancellationToken)));

    private async Task TellAsync(KnownWorker worker, PrepareQuestion question, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            var answer = await NodeDialogue.AskAsync(worker.Link, WorkerPaths.Prepare, question, NodeMessages.Default.PrepareQuestion, NodeMessages.Default.PrepareAnswer, limit.Token).ConfigureAwait(false);
            if (answer.Problem is { } problem && !question.IsGone) LogRefused(worker.Name, question.Version.Function, problem);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is HttpRequestException or NodeRefusedException or NodeProtocolException or OperationCanceledException or IOException or ObjectDisposedException)
        {
            LogRefused(worker.Name, question.Version.Function, e.Message);
        }
    }

    [LoggerMessage(2765, LogLevel.Warning, "The worker {Worker} does not have {Function} yet: {Problem}")]
    private partial void LogRefused(string worker, string function, string problem);
}
