namespace Stint.Telemetry;

/// <summary>Counts answers by status. A function uses a handful of them, so a short list is searched; adding a status copies it.</summary>
internal sealed class StatusCounts
{
    private readonly Lock _lock = new();
    private volatile Entry[] _entries = [];

    /// <summary>Counts one.</summary>
    public void Add(int status)
    {
        foreach (var entry in _entries)
        {
            if (entry.Status != status) continue;
            Interlocked.Increment(ref entry.Count);
            return;
        }
        Admit(status);
        Add(status);
    }

    /// <summary>What has been counted.</summary>
    public IEnumerable<(int Status, long Count)> Read() => _entries.Select(static entry => (entry.Status, Interlocked.Read(ref entry.Count)));

    // Apart from Add, whose closure would otherwise be made on every call.
    private void Admit(int status)
    {
        lock (_lock)
        {
            if (!Array.Exists(_entries, entry => entry.Status == status)) _entries = [.. _entries, new Entry(status)];
        }
    }

    private sealed class Entry(int status)
    {
        public readonly int Status = status;
        public long Count;
    }
}
