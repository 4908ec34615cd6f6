namespace Stint.Backends.Containers.Engine;

/// <summary>What <see cref="EngineEvents"/> tells.</summary>
internal abstract record EngineNews
{
    private EngineNews()
    {
    }

    /// <summary>The engine answers, for the first time or again. From here on nothing is missed; what happened before shows in the list.</summary>
    /// <param name="Containers">All that there are with the labels, running or not.</param>
    public sealed record Back(IReadOnlyList<ContainerSummary> Containers) : EngineNews;

    /// <summary>The engine is away; what happens meanwhile shows in the list of the next <see cref="Back"/>.</summary>
    /// <param name="Reason">For the user.</param>
    public sealed record Lost(EngineException Reason) : EngineNews;

    /// <summary>Something happened to a container. It may be told twice, and may be older than the last list.</summary>
    /// <param name="Event">What.</param>
    public sealed record Happened(EngineEvent Event) : EngineNews;
}
