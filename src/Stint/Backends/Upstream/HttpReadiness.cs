using Stint.Invocations;

namespace Stint.Backends.Upstream;

/// <summary>Waits until an instance serves: its port accepts and, if there is a path to ask, that is answered with a status from 200 to 399.</summary>
/// <param name="upstream">The instance's connections; the one that was accepted is kept for its first call.</param>
/// <param name="path">What to <c>GET</c>, beginning with a slash; null = an open port will do.</param>
/// <param name="time">For waits.</param>
internal sealed class HttpReadiness(HttpUpstream upstream, string? path, TimeProvider time)
{
    // A packet that was sent before the instance's network was there is lost, and the kernel sends it again after a second: a new try is quicker.
    private static readonly TimeSpan ShortestTry = TimeSpan.FromMilliseconds(50), LongestTry = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(1), LongestPause = TimeSpan.FromMilliseconds(100);

    // A server that takes longer than this to say how it is, is not well.
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(5);

    /// <summary>What the last try came to, for the one who gives up waiting.</summary>
    public string Problem { get; private set; } = "nothing has been tried yet";

    /// <summary>Returns when it serves.</summary>
    /// <exception cref="InstanceStartException">It ended before that.</exception>
    /// <exception cref="OperationCanceledException">It took too long: <see cref="Problem"/> says what was wrong last.</exception>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        // Pauses and limits grow with the time that has passed, so that waiting costs a tenth of it at most and never keeps the processor from booting the instance.
        for (var since = time.GetTimestamp(); ;)
        {
            if (await TryAsync(Within(time.GetElapsedTime(since) / 5, ShortestTry, LongestTry), cancellationToken).ConfigureAwait(false)) return;
            var pause = Task.Delay(Within(time.GetElapsedTime(since) / 10, ShortestPause, LongestPause), time, cancellationToken);
            await Task.WhenAny(pause, upstream.Ended).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            if (upstream.Ended.IsCompleted) throw new InstanceStartException(await upstream.Ended.ConfigureAwait(false));
        }
    }

    private async ValueTask<bool> TryAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        if (await upstream.TryConnectAsync(limit, cancellationToken).ConfigureAwait(false) is { } refusal)
        {
            Problem = $"it accepts no connection at {upstream.EndPoint}: {refusal}";
            return false;
        }
        if (path is null) return true;
        using var deadline = new CancellationTokenSource(AnswerTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var reply = await upstream.InvokeAsync(Question(path), either.Token).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        var isWell = reply is { Outcome: Outcome.Answered, Status: >= 200 and < 400 };
        if (!isWell) Problem = $"GET {path} at {upstream.EndPoint} {(reply.Outcome == Outcome.Answered ? $"is answered {reply.Status}" : reply.Outcome == Outcome.Cancelled ? $"is not answered within {AnswerTimeout.TotalSeconds} s" : $"fails: {reply.Error}")}";
        return isWell;
    }

    private static Invocation Question(string path)
    {
        var mark = path.IndexOf('?', StringComparison.Ordinal);
        return new Invocation
        {
            Function = default,
            CallId = CallId.Next(),
            Method = "GET",
            Path = mark < 0 ? path : path[..mark],
            Query = mark < 0 ? "" : path[(mark + 1)..],
            Headers = new HeaderList { { "User-Agent", "stint" } },
        };
    }

    private static TimeSpan Within(TimeSpan time, TimeSpan least, TimeSpan most) => time < least ? least : time > most ? most : time;
}
