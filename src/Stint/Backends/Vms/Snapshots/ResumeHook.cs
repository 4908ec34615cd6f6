using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using Stint.Backends.Upstream;
using Stint.Invocations;

namespace Stint.Backends.Vms.Snapshots;

/// <summary>
/// Tells a guest that it has resumed, with what it cannot know: it has the random numbers, the time and the identifiers of the machine that the snapshot was made of, as all its siblings have.
/// </summary>
internal static class ResumeHook
{
    /// <summary>The header with the time: seconds since 1970, with a fraction.</summary>
    public const string TimeHeader = "X-Stint-Time";

    private const int RandomBytes = 64;

    /// <summary>Asks the guest; returns when it has agreed.</summary>
    /// <exception cref="InstanceStartException">It has not.</exception>
    public static async Task CallAsync(HttpUpstream upstream, string path, TimeProvider time, CancellationToken cancellationToken)
    {
        var now = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds;
        var mark = path.IndexOf('?', StringComparison.Ordinal);
        var question = new Invocation
        {
            Function = default,
            CallId = CallId.Next(),
            Method = "POST",
            Path = mark < 0 ? path : path[..mark],
            Query = mark < 0 ? "" : path[(mark + 1)..],
            Headers = new HeaderList { { "User-Agent", "stint" }, { "Content-Type", "application/octet-stream" }, { TimeHeader, now.ToString("0.000000", CultureInfo.InvariantCulture) } },
            Body = new ReadOnlySequence<byte>(RandomNumberGenerator.GetBytes(RandomBytes)),
        };
        using var reply = await upstream.InvokeAsync(question, cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        if (reply is not { Outcome: Outcome.Answered, Status: >= 200 and < 300 })
            throw new InstanceStartException($"POST {path} (on-resume) {(reply.Outcome == Outcome.Answered ? $"is answered {reply.Status}" : $"fails: {reply.Error}")}");
    }
}
