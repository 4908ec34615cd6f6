namespace Stint.Scaling;

/// <summary>Loads of the recent past, and their average over the last part of it. Not for several threads.</summary>
/// <param name="length">How far back it reaches.</param>
internal sealed class LoadWindow(TimeSpan length)
{
    private readonly Queue<(TimeSpan Time, double Load)> _loads = new();
    private double _sum;

    /// <summary>Takes the load since the last one.</summary>
    public void Add(TimeSpan now, double load)
    {
        _loads.Enqueue((now, load));
        _sum += load;
        while (_loads.Peek().Time <= now - length) _sum -= _loads.Dequeue().Load;
    }

    /// <summary>The average; zero when nothing was taken. Of the time that was seen, when that is shorter than the window.</summary>
    public double Average => _loads.Count == 0 ? 0 : Math.Max(0, _sum / _loads.Count);
}
