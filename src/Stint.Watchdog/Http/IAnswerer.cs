namespace Stint.Watchdog.Http;

/// <summary>What answers requests: the watchdog's own pages, or one of the ways to a function.</summary>
internal interface IAnswerer
{
    /// <summary>Answers one request. A request that is left without an answer, or with half of one, costs its client the connection.</summary>
    ValueTask AnswerAsync(Exchange exchange);
}
