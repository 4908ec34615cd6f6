using System.Collections.Concurrent;
using Stint.Watchdog.Posix;

namespace Stint.Watchdog.Loops;

// One thread, one epoll:
//
//   wait for descriptors, timers or other threads ─▶ wake who waits for them ─▶ run them until they wait again ─▶ …
//
// All that belongs to a loop (its connections, their calls, their timers) is touched by its thread only: no locks. Waiting is `await` on a Wakeup.
// Why not .NET's sockets and thread pool: docs/decisions/0020-watchdog-server.md.

/// <summary>Waits for descriptors and timers, and runs what they wake.</summary>
internal sealed unsafe class EventLoop
{
    private const int MaxEvents = 64; // arbitrary: what is ready beyond it is reported in the next round

    // struct epoll_event is packed on x86-64 only.
    private static readonly int EntrySize = System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64 ? 12 : 16;

    private readonly TimeProvider _time;
    private readonly int _epoll = Libc.Check(Libc.epoll_create1(Libc.CloseOnExec), "epoll_create1");
    private readonly int _wake = Libc.Check(Libc.eventfd(0, Libc.CloseOnExec | Libc.NonBlocking), "eventfd");
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly Queue<Action> _ready = new();
    private readonly Stack<int> _free = new();
    private Descriptor?[] _descriptors = new Descriptor?[64];
    private uint[] _generations = new uint[64];
    private int _used;
    private bool _stopping;

    /// <summary>Makes a loop; <see cref="Run()"/> starts it.</summary>
    public EventLoop(TimeProvider time)
    {
        _time = time;
        Now = Clock();
        Add(_wake, Libc.EpollIn, ulong.MaxValue);
    }

    /// <summary>Milliseconds on this loop's clock, as of its last round.</summary>
    public long Now { get; private set; }

    /// <summary>Memory for reading and writing, lent to whoever needs it for a moment.</summary>
    public BufferPool Buffers { get; } = new();

    /// <summary>The time limits in force.</summary>
    internal TimerHeap Timers { get; } = new();

    /// <summary>Runs until <see cref="Stop"/>.</summary>
    public void Run()
    {
        var entries = stackalloc byte[MaxEvents * 16];
        while (!_stopping)
        {
            var count = Libc.epoll_wait(_epoll, entries, MaxEvents, Patience());
            if (count < 0 && Libc.Error != Libc.ErrorInterrupted) throw Libc.Failure("epoll_wait", Libc.Error);
            Now = Clock();
            for (var i = 0; i < count; i++) Report(entries + i * EntrySize);
            RunReady();
            while (Timers.Count > 0 && Timers.First.Due <= Now)
            {
                var timer = Timers.First;
                Timers.Remove(timer);
                timer.Pass();
            }
            RunReady();
        }
    }

    /// <summary>Ends the loop after its present round; from its own thread.</summary>
    public void Stop() => _stopping = true;

    /// <summary>Runs something on this loop's thread; from any thread.</summary>
    public void Post(Action action)
    {
        _posted.Enqueue(action);
        ulong one = 1;
        _ = Libc.write(_wake, (byte*)&one, sizeof(ulong));
    }

    /// <summary>Runs something in the loop's next step; from its own thread.</summary>
    internal void Run(Action action) => _ready.Enqueue(action);

    /// <summary>Begins to watch a descriptor. Edge-triggered: who reads or writes goes on until the call would block.</summary>
    internal int Watch(Descriptor descriptor)
    {
        if (!_free.TryPop(out var slot))
        {
            slot = _used++;
            if (slot == _descriptors.Length)
            {
                Array.Resize(ref _descriptors, slot * 2);
                Array.Resize(ref _generations, slot * 2);
            }
        }
        _descriptors[slot] = descriptor;
        Add(descriptor.Number, Libc.EpollIn | Libc.EpollOut | Libc.EpollEdge, ((ulong)_generations[slot] << 32) | (uint)slot);
        return slot;
    }

    /// <summary>Forgets a descriptor that is being closed: an event that is on its way already finds another generation.</summary>
    internal void Forget(int slot)
    {
        _descriptors[slot] = null;
        _generations[slot]++;
        _free.Push(slot);
    }

    private void Add(int descriptor, uint events, ulong data)
    {
        var entry = stackalloc byte[16];
        *(uint*)entry = events;
        *(ulong*)(entry + EntrySize - 8) = data;
        Libc.Check(Libc.epoll_ctl(_epoll, Libc.EpollAdd, descriptor, entry), "epoll_ctl");
    }

    private void Report(byte* entry)
    {
        var events = *(uint*)entry;
        var data = *(ulong*)(entry + EntrySize - 8);
        if (data == ulong.MaxValue)
        {
            ulong count;
            _ = Libc.read(_wake, (byte*)&count, sizeof(ulong));
            while (_posted.TryDequeue(out var action)) _ready.Enqueue(action);
            return;
        }
        var slot = (uint)data;
        if (_generations[slot] == (uint)(data >> 32)) _descriptors[slot]?.Report(events);
    }

    private void RunReady()
    {
        while (_ready.TryDequeue(out var action)) action();
    }

    private int Patience() => Timers.Count == 0 ? -1 : (int)Math.Clamp(Timers.First.Due - Clock(), 0, int.MaxValue);

    private long Clock() => _time.GetTimestamp() / (_time.TimestampFrequency / 1000);
}
