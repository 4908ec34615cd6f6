namespace Stint.Coap.Observing;

/// <summary>When an observed resource is asked again, and which answers are passed on.</summary>
public sealed record Observation
{
    /// <summary>Asked again this often, however many observe it; at least 100 ms. Null: only when <see cref="CoapServer.Changed(string)"/> says so.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>Whether an answer that equals the one before is passed on too. Default yes: each one says that the value is still good.</summary>
    public bool NotifyUnchanged { get; init; } = true;
}
