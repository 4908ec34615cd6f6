using System.IO.Pipelines;

namespace Stint.Invocations;

/// <summary>Ending the reading of a body that nobody wants any more.</summary>
internal static class BodyReading
{
    /// <summary>Ends a read that is under way. Kestrel's reader throws here once the caller has gone; a read that is under way then ends with the same, which is enough.</summary>
    public static void StopReading(this PipeReader body)
    {
        try
        {
            body.CancelPendingRead();
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException or InvalidOperationException)
        {
            // See above. Whoever cancels must not be thrown at: other callbacks of the same cancellation come after this one.
        }
    }
}
