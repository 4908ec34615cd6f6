namespace Stint.Backends.Processes.Spawning;

/// <summary>
/// Holds a child that waits for a byte on <see cref="SpawnRequest.GateDescriptor"/>. A gate that is disposed of, or whose process ends, lets it go on too: who does not want that kills the child first.
/// </summary>
internal sealed unsafe class Gate : IDisposable
{
    private readonly Lock _lock = new();
    private int _write;

    /// <summary>Makes a gate for one child.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">There are no descriptors left.</exception>
    public Gate()
    {
        var ends = stackalloc int[2];
        Posix.Check(Posix.pipe2(ends, Posix.CloseOnExec), "pipe2");
        (Inside, _write) = (Posix.MoveUp(ends[0], SpawnRequest.GateDescriptor), ends[1]);
    }

    /// <summary>The end that the child waits at.</summary>
    internal int Inside { get; private set; }

    /// <summary>Lets the child go on.</summary>
    public void Open()
    {
        lock (_lock)
        {
            byte go = 1;
            if (_write >= 0) _ = Posix.write(_write, &go, 1); // fails when the child has ended, which its owner sees by itself
            Close_NeedsLock();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock) Close_NeedsLock();
    }

    /// <summary>The child has its end; ours is not needed any more.</summary>
    internal void PassOn()
    {
        lock (_lock)
        {
            if (Inside >= 0) _ = Posix.close(Inside);
            Inside = -1;
        }
    }

    private void Close_NeedsLock()
    {
        if (Inside >= 0) _ = Posix.close(Inside);
        if (_write >= 0) _ = Posix.close(_write);
        Inside = _write = -1;
    }
}
