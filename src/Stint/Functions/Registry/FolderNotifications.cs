using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Stint.Functions.Registry;

/// <summary>
/// Says that something changed in a folder or in one below it, by inotify(7). Not what: whoever is told looks, and has <see cref="Follow"/> add what is new. .NET's FileSystemWatcher finds out by itself, from
/// names in notifications that it reads late: of two folders that took the same name shortly after each other it may watch neither.
/// </summary>
internal sealed unsafe partial class FolderNotifications : IDisposable
{
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const short PollIn = 1;
    private const int Interrupted = 4;      // EINTR
    private const int NoSpace = 28;         // ENOSPC: fs.inotify.max_user_watches
    private const int NoMemory = 12;        // ENOMEM

    // IN_MODIFY, IN_ATTRIB, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF; IN_ONLYDIR
    private const uint Changes = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x0100_0000;
    private const uint NoLink = 0x0200_0000; // IN_DONT_FOLLOW

    private readonly SafeFileHandle _notifications;
    private readonly SafeFileHandle _end;
    private readonly Action _changed;
    private HashSet<int> _watches = [];

    /// <summary>Nothing is watched yet.</summary>
    /// <param name="changed">Called, on a thread of its own, when something has changed; once for many changes.</param>
    /// <exception cref="IOException">The host has no more of them for this user (<c>fs.inotify.max_user_instances</c>).</exception>
    public FolderNotifications(Action changed)
    {
        _changed = changed;
        _notifications = Handle(inotify_init1(CloseOnExec | NonBlocking));
        _end = Handle(eventfd(0, CloseOnExec));
        new Thread(Read, 128 * 1024) { IsBackground = true, Name = "registry watch" }.Start();
    }

    /// <summary>
    /// Watches a folder and all below it, but for one, and nothing else any more. Each is watched before it is read: what comes into it later is told. Links are not followed.
    /// </summary>
    /// <param name="root">The folder.</param>
    /// <param name="except">A folder directly in it whose inside is of no interest.</param>
    /// <returns>Whether the folder is there.</returns>
    /// <exception cref="IOException">Not all of it can be watched (<c>fs.inotify.max_user_watches</c>); what can be is.</exception>
    public bool Follow(string root, string except)
    {
        var seen = new HashSet<int>();
        try
        {
            if (!TryAdd(root, Changes, seen)) return false;
            Descend(root, except, seen);
            return true;
        }
        finally
        {
            foreach (var gone in _watches.Except(seen)) _ = inotify_rm_watch(_notifications, gone); // of a folder that was removed the kernel has let go itself
            _watches = seen;
        }
    }

    /// <summary>Ends it; the thread ends by itself.</summary>
    public void Dispose()
    {
        ulong one = 1;
        if (!_end.IsClosed) _ = write(_end, &one, sizeof(ulong));
    }

    private void Descend(string folder, string except, HashSet<int> seen)
    {
        try
        {
            foreach (var path in Directory.EnumerateDirectories(folder))
                if (path != except && TryAdd(path, Changes | NoLink, seen)) Descend(path, except, seen);
        }
        catch (Exception gone) when (gone is DirectoryNotFoundException or UnauthorizedAccessException)
        {
            // The folder above has told, or will. What cannot be read cannot be deployed either.
        }
    }

    // False: it is gone, is a link, or is not ours to read.
    private bool TryAdd(string folder, uint mask, HashSet<int> seen)
    {
        var watch = inotify_add_watch(_notifications, folder, mask);
        if (watch >= 0) return seen.Add(watch);
        if (Marshal.GetLastPInvokeError() is (NoSpace or NoMemory) and var error) throw Error(error);
        return false;
    }

    private void Read()
    {
        const int size = 16 * 1024;
        var buffer = stackalloc byte[size];
        var entries = stackalloc PollEntry[2];
        using (_notifications)
        using (_end)
        {
            entries[0] = new PollEntry { Descriptor = (int)_notifications.DangerousGetHandle(), Events = PollIn };
            entries[1] = new PollEntry { Descriptor = (int)_end.DangerousGetHandle(), Events = PollIn };
            while (true)
            {
                if (poll(entries, 2, -1) < 0)
                {
                    if (Marshal.GetLastPInvokeError() == Interrupted) continue;
                    return;
                }
                if (entries[1].Returned != 0) return;
                while (read(_notifications, buffer, size) > 0) { }
                _changed();
            }
        }
    }

    private static SafeFileHandle Handle(int descriptor) => descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Error(Marshal.GetLastPInvokeError());

    private static IOException Error(int error) => new($"inotify: {Marshal.GetPInvokeErrorMessage(error)}", error);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int inotify_init1(int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int inotify_add_watch(SafeFileHandle notifications, string path, uint mask);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int inotify_rm_watch(SafeFileHandle notifications, int watch);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollEntry* entries, ulong count, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(SafeFileHandle descriptor, void* buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(SafeFileHandle descriptor, void* buffer, nint count);
}
