namespace Stint.Watchdog.Loops;

/// <summary>The armed timers, the next one first: a binary heap whose members know their places, so that a cancelled timer is gone at once and not kept until it would have been due.</summary>
internal sealed class TimerHeap
{
    private LoopTimer[] _heap = new LoopTimer[16];

    /// <summary>How many are armed.</summary>
    public int Count { get; private set; }

    /// <summary>The one that is due first.</summary>
    public LoopTimer First => _heap[0];

    /// <summary>Adds a timer.</summary>
    public void Add(LoopTimer timer)
    {
        if (Count == _heap.Length) Array.Resize(ref _heap, Count * 2);
        Place(timer, Count++);
        Up(timer);
    }

    /// <summary>Takes a timer out.</summary>
    public void Remove(LoopTimer timer)
    {
        var place = timer.Place;
        timer.Place = -1;
        var last = _heap[--Count];
        _heap[Count] = null!;
        if (last == timer) return;
        Place(last, place);
        Up(last);
        Down(last);
    }

    private void Up(LoopTimer timer)
    {
        while (timer.Place > 0)
        {
            var parent = _heap[(timer.Place - 1) / 2];
            if (parent.Due <= timer.Due) return;
            Swap(parent, timer);
        }
    }

    private void Down(LoopTimer timer)
    {
        while (true)
        {
            var child = timer.Place * 2 + 1;
            if (child >= Count) return;
            if (child + 1 < Count && _heap[child + 1].Due < _heap[child].Due) child++;
            if (timer.Due <= _heap[child].Due) return;
            Swap(timer, _heap[child]);
        }
    }

    private void Swap(LoopTimer upper, LoopTimer lower)
    {
        var place = upper.Place;
        Place(upper, lower.Place);
        Place(lower, place);
    }

    private void Place(LoopTimer timer, int place) => (_heap[place], timer.Place) = (timer, place);
}
