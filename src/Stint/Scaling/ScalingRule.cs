using Stint.Functions;

namespace Stint.Scaling;

/// <summary>How many instances a function is to have for a load. Immutable.</summary>
internal sealed record ScalingRule
{
    /// <summary>The load that one instance is to carry: calls a second, calls at a time, or thousandths of a processor.</summary>
    public required double PerInstance { get; init; }

    /// <summary>Never fewer.</summary>
    public required int Min { get; init; }

    /// <summary>Never more.</summary>
    public required int Max { get; init; }

    /// <summary>With a minimum of zero: how long one instance stays after the last call.</summary>
    public required TimeSpan KeepLast { get; init; }

    /// <summary>The time over which the load is averaged as a rule, and for which a panic goes on. Knative's default.</summary>
    public TimeSpan StableWindow { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The time over which it is averaged to notice a burst. Knative's is six seconds: there it makes pods, which take about that long; here a start takes less than one.</summary>
    public TimeSpan PanicWindow { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A burst is a load for so many times the instances that there are. Knative's default.</summary>
    public double PanicThreshold { get; init; } = 2;

    /// <summary>The rule of a specification; null when it does not ask for one.</summary>
    public static ScalingRule? Of(FunctionSpec spec) => spec.ScaleBy == ScalingMeasure.Demand ? null : new ScalingRule
    {
        PerInstance = spec.ScaleTarget * spec.ScaleProportion, Min = spec.MinInstances, Max = spec.MaxInstances, KeepLast = spec.KeepAlive,
    };
}
