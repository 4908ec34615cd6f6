// Starts children and watches them, all on one thread of its own:
//
//   1. requests arrive through a queue and an eventfd;
//   2. each is started with posix_spawn (vfork semantics: no copy of our address space), its output on two pipes, its end on a pidfd;
//   3. poll(2) waits for output, ends and requests; output is handed to the request's sink at once, so that no function ever blocks on its own log.
//
// Why not System.Diagnostics.Process: (a) bubblewrap's --die-with-parent is PR_SET_PDEATHSIG, which fires when the *thread* that forked ends, not the process; a
// thread-pool thread that retires would take its sandboxes with it. This thread lives as long as the daemon. (b) Process reads pipes with a blocked thread-pool
// thread for each stream. (c) it cannot pass a further descriptor (the seccomp filter) or make a session.
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;

namespace Stint.Backends.Processes.Spawning;

/// <summary>The one thread that starts child processes. Children must have ended, or must end by themselves, before it is disposed of.</summary>
internal sealed class Spawner : IDisposable
{
    private const int PieceSize = 64 * 1024;

    private readonly ConcurrentQueue<(SpawnRequest Request, TaskCompletionSource<ChildProcess> Started)> _requests = new();
    private readonly List<Watch> _watches = [];
    private readonly byte[] _piece = new byte[PieceSize];
    private readonly ThreadNetwork _network;
    private readonly Thread _thread;
    private readonly int _wake = Posix.Check(Posix.eventfd(0, Posix.CloseOnExec | Posix.NonBlocking), "eventfd");
    private Posix.PollEntry[] _entries = new Posix.PollEntry[16];
    private volatile bool _stopping;

    /// <summary>Starts the thread.</summary>
    public Spawner()
    {
        _network = new ThreadNetwork(); // all threads are in the daemon's network now
        _thread = new Thread(Run) { Name = "stint-spawner", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Starts a child.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">It could not be started; the message names the system call.</exception>
    public Task<ChildProcess> StartAsync(SpawnRequest request)
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        var started = new TaskCompletionSource<ChildProcess>(TaskCreationOptions.RunContinuationsAsynchronously);
        _requests.Enqueue((request, started));
        Wake();
        return started.Task;
    }

    /// <summary>Ends the thread. With it, children that run under --die-with-parent die.</summary>
    public void Dispose()
    {
        if (_stopping) return;
        _stopping = true;
        Wake();
        _thread.Join();
        _ = Posix.close(_wake);
        _network.Dispose();
        while (_requests.TryDequeue(out var left)) left.Started.TrySetException(new ObjectDisposedException(nameof(Spawner)));
    }

    private unsafe void Wake()
    {
        ulong one = 1;
        _ = Posix.write(_wake, (byte*)&one, sizeof(ulong));
    }

    private unsafe void Run()
    {
        while (!_stopping)
        {
            var count = CollectEntries();
            int ready;
            fixed (Posix.PollEntry* entries = _entries) ready = Posix.poll(entries, (ulong)count, -1);
            if (ready < 0)
            {
                if (Marshal.GetLastPInvokeError() == Posix.ErrorInterrupted) continue;
                Posix.Check(ready, "poll");
            }

            if (_entries[0].Returned != 0)
            {
                ulong ignored;
                _ = Posix.read(_wake, (byte*)&ignored, sizeof(ulong));
            }

            // Watches added by StartOne below come after those that this round polled.
            var polled = _watches.Count;
            var entry = 1;
            for (var i = 0; i < polled; i++) entry = Attend(_watches[i], entry);
            _watches.RemoveAll(static watch => watch.IsOver);
            while (_requests.TryDequeue(out var item)) StartOne(item.Request, item.Started);
        }
        foreach (var watch in _watches) watch.Close();
    }

    private int CollectEntries()
    {
        var needed = 1 + _watches.Count * 3;
        if (_entries.Length < needed) Array.Resize(ref _entries, Math.Max(needed, _entries.Length * 2));
        _entries[0] = new() { Descriptor = _wake, Events = Posix.PollIn };
        var count = 1;
        foreach (var watch in _watches)
        {
            // A negative descriptor is one that poll passes over.
            _entries[count++] = new() { Descriptor = watch.Out, Events = Posix.PollIn };
            _entries[count++] = new() { Descriptor = watch.Error, Events = Posix.PollIn };
            _entries[count++] = new() { Descriptor = watch.Pidfd, Events = Posix.PollIn };
        }
        return count;
    }

    private int Attend(Watch watch, int entry)
    {
        var outReady = _entries[entry].Returned != 0;
        var errorReady = _entries[entry + 1].Returned != 0;
        var ended = _entries[entry + 2].Returned != 0;
        // One piece a round, so that a function that floods its log does not keep others waiting; everything that is left when it has ended.
        if (outReady || ended) Drain(watch, ref watch.Out, OutputStream.Out, ended);
        if (errorReady || ended) Drain(watch, ref watch.Error, OutputStream.Error, ended);
        if (ended) watch.Reap();
        return entry + 3;
    }

    private unsafe void Drain(Watch watch, ref int descriptor, OutputStream stream, bool toTheEnd)
    {
        // What a dead child left in a pipe is at most the pipe's capacity (64 KiB by default, 1 MiB at most).
        for (var rounds = toTheEnd ? 32 : 1; rounds > 0 && descriptor >= 0; rounds--)
        {
            nint count;
            fixed (byte* buffer = _piece) count = Posix.read(descriptor, buffer, PieceSize);
            if (count > 0)
            {
                watch.Sink(stream, _piece.AsSpan(0, (int)count));
                continue;
            }
            if (count < 0 && Marshal.GetLastPInvokeError() is Posix.ErrorAgain or Posix.ErrorInterrupted) break;
            watch.CloseOutput(ref descriptor, stream);
        }
        // Somebody else may still hold the other end; nobody is going to read it any more.
        if (toTheEnd) watch.CloseOutput(ref descriptor, stream);
    }

    private unsafe void StartOne(SpawnRequest request, TaskCompletionSource<ChildProcess> started)
    {
        var output = stackalloc int[2] { -1, -1 };
        var error = stackalloc int[2] { -1, -1 };
        try
        {
            Posix.Check(Posix.pipe2(output, Posix.CloseOnExec), "pipe2");
            Posix.Check(Posix.pipe2(error, Posix.CloseOnExec), "pipe2");
            // Only our ends: the child writes to ordinary, blocking pipes.
            Posix.Check(Posix.fcntl(output[0], Posix.SetStatusFlags, Posix.NonBlocking), "fcntl");
            Posix.Check(Posix.fcntl(error[0], Posix.SetStatusFlags, Posix.NonBlocking), "fcntl");
            var pid = SpawnWithOutput(request, output[1], error[1]);
            var child = new ChildProcess(pid, Posix.OpenPidfd(pid));
            _watches.Add(new Watch(child, request.Output, pid) { Out = output[0], Error = error[0], Pidfd = Posix.OpenPidfd(pid) });
            output[0] = error[0] = -1;
            started.TrySetResult(child);
        }
        catch (System.ComponentModel.Win32Exception failure)
        {
            started.TrySetException(failure);
        }
        finally
        {
            for (var i = 0; i < 2; i++)
            {
                if (output[i] >= 0) _ = Posix.close(output[i]);
                if (error[i] >= 0) _ = Posix.close(error[i]);
            }
            request.Gate?.PassOn();
        }
    }

    private unsafe int SpawnWithOutput(SpawnRequest request, int output, int error)
    {
        var actions = stackalloc byte[Posix.SpawnStructureSize];
        var attributes = stackalloc byte[Posix.SpawnStructureSize];
        var signals = stackalloc byte[128];
        using var strings = new NativeStrings();

        Posix.CheckError(Posix.posix_spawn_file_actions_init(actions), "posix_spawn_file_actions_init");
        Posix.CheckError(Posix.posix_spawnattr_init(attributes), "posix_spawnattr_init");
        try
        {
            Posix.CheckError(Posix.posix_spawn_file_actions_addopen(actions, 0, strings.Add("/dev/null"), Posix.OpenReadOnly, 0), "addopen");
            Posix.CheckError(Posix.posix_spawn_file_actions_adddup2(actions, output, 1), "adddup2");
            Posix.CheckError(Posix.posix_spawn_file_actions_adddup2(actions, error, 2), "adddup2");
            if (request.Descriptor3 is { } file)
                Posix.CheckError(Posix.posix_spawn_file_actions_addopen(actions, 3, strings.Add(file), Posix.OpenReadOnly, 0), "addopen");
            if (request.Gate is { } gate) Posix.CheckError(Posix.posix_spawn_file_actions_adddup2(actions, gate.Inside, SpawnRequest.GateDescriptor), "adddup2");

            // The runtime ignores SIGPIPE and blocks others; a child begins with everything at its default. Its own session keeps the terminal's Ctrl-C from it.
            _ = Posix.sigfillset(signals);
            Posix.CheckError(Posix.posix_spawnattr_setsigdefault(attributes, signals), "setsigdefault");
            _ = Posix.sigemptyset(signals);
            Posix.CheckError(Posix.posix_spawnattr_setsigmask(attributes, signals), "setsigmask");
            Posix.CheckError(Posix.posix_spawnattr_setflags(attributes, Posix.SpawnSetSignalDefaults | Posix.SpawnSetSignalMask | Posix.SpawnSetSession), "setflags");

            var executable = strings.Add(request.Executable);
            var arguments = strings.AddList(request.Arguments);
            var environment = strings.AddList(request.Environment);
            int pid;
            ThreadNetwork.Enter(request.Network);
            var failure = Posix.posix_spawn(&pid, executable, actions, attributes, arguments, environment);
            _network.Leave(request.Network);
            Posix.CheckError(failure, $"start {request.Executable}");
            return pid;
        }
        finally
        {
            _ = Posix.posix_spawn_file_actions_destroy(actions);
            _ = Posix.posix_spawnattr_destroy(attributes);
        }
    }

    /// <summary>What the loop watches of one child.</summary>
    private sealed class Watch(ChildProcess child, OutputSink sink, int pid)
    {
        public int Out = -1;
        public int Error = -1;
        public int Pidfd = -1;

        public OutputSink Sink { get; } = sink;

        public bool IsOver => Pidfd < 0;

        public unsafe void Reap()
        {
            var status = 0; // stays so when SIGCHLD is ignored and the kernel reaps by itself
            while (Posix.waitpid(pid, &status, 0) < 0 && Marshal.GetLastPInvokeError() == Posix.ErrorInterrupted) { }
            _ = Posix.close(Pidfd);
            Pidfd = -1;
            child.MarkExited(ExitStatus.FromWait(status));
        }

        public void CloseOutput(ref int descriptor, OutputStream stream)
        {
            if (descriptor < 0) return;
            _ = Posix.close(descriptor);
            descriptor = -1;
            Sink(stream, []);
        }

        public void Close()
        {
            CloseOutput(ref Out, OutputStream.Out);
            CloseOutput(ref Error, OutputStream.Error);
            if (Pidfd >= 0) _ = Posix.close(Pidfd);
            Pidfd = -1;
            child.MarkExited(new ExitStatus(Posix.SigKill, true));
        }
    }

    /// <summary>Zero-terminated copies of strings, freed together.</summary>
    private sealed unsafe class NativeStrings : IDisposable
    {
        private readonly List<nint> _blocks = [];

        public byte* Add(string text)
        {
            var length = Encoding.UTF8.GetByteCount(text);
            var block = (byte*)NativeMemory.Alloc((nuint)length + 1);
            Encoding.UTF8.GetBytes(text, new Span<byte>(block, length));
            block[length] = 0;
            _blocks.Add((nint)block);
            return block;
        }

        public byte** AddList(IReadOnlyList<string> texts)
        {
            var list = (byte**)NativeMemory.Alloc((nuint)((texts.Count + 1) * sizeof(byte*)));
            _blocks.Add((nint)list);
            for (var i = 0; i < texts.Count; i++) list[i] = Add(texts[i]);
            list[texts.Count] = null;
            return list;
        }

        public void Dispose()
        {
            foreach (var block in _blocks) NativeMemory.Free((void*)block);
        }
    }
}
