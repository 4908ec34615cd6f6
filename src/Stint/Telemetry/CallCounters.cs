using Stint.Invocations;

namespace Stint.Telemetry;

/// <summary>Calls of one function by how they ended. Everything here may be read at any time without a lock.</summary>
internal class CallCounters
{
    private static readonly int s_outcomes = Enum.GetValues<Outcome>().Length;

    private readonly long[] _requests = new long[s_outcomes];

    /// <summary>From a call's arrival to its reply.</summary>
    public Histogram Durations { get; } = new();

    /// <summary>Answers of the function by their status.</summary>
    public StatusCounts Statuses { get; } = new();

    /// <summary>All calls.</summary>
    public long All => Enum.GetValues<Outcome>().Sum(Requests);

    /// <summary>Calls that ended in an error, whoever's; a caller that left is none.</summary>
    public long Errors => Enum.GetValues<Outcome>().Where(static outcome => outcome is not (Outcome.Answered or Outcome.Cancelled)).Sum(Requests);

    /// <summary>Calls that ended in a certain way.</summary>
    public long Requests(Outcome outcome) => Interlocked.Read(ref _requests[(int)outcome]);

    /// <summary>Counts a call.</summary>
    public void Ended(Outcome outcome) => Interlocked.Increment(ref _requests[(int)outcome]);

    /// <summary>Counts a call with its answer and what it took.</summary>
    public void Ended(Reply reply, TimeSpan took)
    {
        Ended(reply.Outcome);
        if (reply.Outcome == Outcome.Answered) Statuses.Add(reply.Status);
        Durations.Record(took);
    }
}
