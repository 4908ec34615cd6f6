using System.Buffers;
using System.Globalization;
using System.Text;
using Stint.Invocations;

namespace Stint.Deliveries;

/// <summary>Who is to blame for the end of a call, if anybody.</summary>
internal enum CallEndKind
{
    /// <summary>It was answered.</summary>
    Answered,

    /// <summary>The function failed, or asked for another try.</summary>
    FunctionFailed,

    /// <summary>Its instance died, or broke off in the middle of the answer.</summary>
    Crashed,

    /// <summary>Nothing could run it.</summary>
    PlatformFailed,

    /// <summary>No repetition will change it.</summary>
    Hopeless,
}

/// <summary>The end of a call, read to its end.</summary>
/// <param name="Kind">Which.</param>
/// <param name="Status">The status, as HTTP has them.</param>
/// <param name="Reason">Why it was not answered well, in one line.</param>
/// <param name="RetryAfter">When another try may succeed.</param>
/// <param name="ContentType">The answer's.</param>
/// <param name="Body">The answer's, or the reason as a text; empty when nobody asked for it.</param>
/// <param name="IsCut">The answer was longer than asked for.</param>
internal sealed record CallEnd(CallEndKind Kind, int Status, string Reason, TimeSpan? RetryAfter, string? ContentType, ReadOnlyMemory<byte> Body, bool IsCut)
{
    /// <summary>Reads a reply.</summary>
    /// <param name="reply">The reply; read, not disposed of.</param>
    /// <param name="keep">Bytes of the body that are kept. All are read: breaking an answer off would break off the function.</param>
    public static async Task<CallEnd> OfAsync(Reply reply, int keep)
    {
        if (reply.Outcome != Outcome.Answered)
        {
            var reason = reply.Error ?? reply.Outcome.ToString();
            return new CallEnd(KindOf(reply.Outcome), StatusOf(reply.Outcome), reason, reply.RetryAfter, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes(reason + "\n"), false);
        }
        var body = new ArrayBufferWriter<byte>();
        var isCut = false;
        Keep(reply.Body);
        try
        {
            if (reply.Rest is { } rest)
                while (await rest.ReadAsync(default).ConfigureAwait(false) is { IsEmpty: false } piece) Keep(piece);
        }
        catch (IOException failure)
        {
            return new CallEnd(CallEndKind.Crashed, 502, $"the answer broke off: {failure.Message}", null, "text/plain; charset=utf-8", Encoding.UTF8.GetBytes($"the answer broke off: {failure.Message}\n"), false);
        }
        var failed = reply.Status is 429 or >= 500;
        reply.Headers.TryGet("Content-Type", out var type);
        return new CallEnd(failed ? CallEndKind.FunctionFailed : CallEndKind.Answered, reply.Status, failed ? $"the function answered {reply.Status}" : "", failed ? RetryAfterOf(reply.Headers) : null, type, body.WrittenMemory, isCut);

        void Keep(ReadOnlyMemory<byte> piece)
        {
            if (keep == 0) return;
            if (isCut || body.WrittenCount + piece.Length > keep) isCut = true;
            else body.Write(piece.Span);
        }
    }

    /// <summary>The status of what is not the function's own answer; as HTTP's (docs/errors.md), which this folder does not know. A test compares the two.</summary>
    internal static int StatusOf(Outcome outcome) => outcome switch
    {
        Outcome.Answered => 200,
        Outcome.BadRequest => 400,
        Outcome.Unauthorized => 401,
        Outcome.NotFound => 404,
        Outcome.TooLarge => 413,
        Outcome.Shed => 429,
        Outcome.Cancelled => 499,
        Outcome.FunctionFailed => 500,
        Outcome.NotImplemented => 501,
        Outcome.Crashed or Outcome.ContractBroken => 502,
        Outcome.Unavailable => 503,
        Outcome.TimedOut => 504,
    };

    private static CallEndKind KindOf(Outcome outcome) => outcome switch
    {
        Outcome.Answered => CallEndKind.Answered,
        Outcome.FunctionFailed or Outcome.TimedOut => CallEndKind.FunctionFailed,
        Outcome.Crashed or Outcome.ContractBroken => CallEndKind.Crashed,
        Outcome.Shed or Outcome.Unavailable or Outcome.Cancelled => CallEndKind.PlatformFailed,
        Outcome.BadRequest or Outcome.Unauthorized or Outcome.NotFound or Outcome.TooLarge or Outcome.NotImplemented => CallEndKind.Hopeless,
    };

    // RFC 9110 section 10.2.3; the form with a date is left out: functions that say it in seconds are rare enough.
    private static TimeSpan? RetryAfterOf(HeaderList headers) =>
        headers.TryGet("Retry-After", out var text) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? TimeSpan.FromSeconds(Math.Min(seconds, 86_400)) : null;
}
