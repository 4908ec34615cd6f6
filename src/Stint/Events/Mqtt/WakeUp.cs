using System.Runtime.InteropServices;
using static Stint.Events.Mqtt.Libmosquitto;

namespace Stint.Events.Mqtt;

/// <summary>Wakes a thread that waits in poll(2): an eventfd(2).</summary>
internal sealed unsafe partial class WakeUp : IDisposable
{
    private const int CloseOnExecAndNonBlocking = 0x80000 | 0x800; // EFD_CLOEXEC | EFD_NONBLOCK
    private readonly Lock _lock = new();
    private readonly int _descriptor = eventfd(0, CloseOnExecAndNonBlocking) is >= 0 and var made ? made : throw new IOException($"eventfd: {Marshal.GetLastPInvokeErrorMessage()}");
    private bool _closed;

    /// <summary>Wakes it, now or when it next waits.</summary>
    public void Set()
    {
        ulong one = 1;
        // A number that was closed may be another file by now.
        lock (_lock)
            if (!_closed) _ = write(_descriptor, &one, sizeof(ulong));
    }

    /// <summary>Waits until woken, until the socket is ready, or until the time is over.</summary>
    /// <param name="socket">The socket; negative for none.</param>
    /// <param name="events">What to wait for.</param>
    /// <param name="milliseconds">The longest.</param>
    /// <returns>What the socket is ready for; an error counts as something to read.</returns>
    public short Wait(int socket, short events, int milliseconds)
    {
        var entries = stackalloc PollEntry[2];
        entries[0] = new PollEntry { Descriptor = _descriptor, Events = PollIn };
        entries[1] = new PollEntry { Descriptor = socket, Events = events };
        if (poll(entries, 2, milliseconds) <= 0) return 0;
        ulong value;
        if (entries[0].Returned != 0) _ = read(_descriptor, &value, sizeof(ulong));
        var ready = entries[1].Returned;
        return (short)((ready & ~(PollIn | PollOut)) != 0 ? PollIn | PollOut : ready);
    }

    /// <summary>Whether there is something to read now.</summary>
    public static bool IsReadable(int socket)
    {
        var entry = new PollEntry { Descriptor = socket, Events = PollIn };
        return socket >= 0 && poll(&entry, 1, 0) > 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            if (!_closed) _ = close(_descriptor);
            _closed = true;
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int descriptor, void* buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int descriptor, void* buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int descriptor);
}
