using System.Runtime.InteropServices;
using Stint.Watchdog.Posix;

namespace Stint.Watchdog.Functions;

/// <summary>The program of <c>fprocess</c> and its arguments, in the form that the system takes: made once, used for each call.</summary>
internal sealed unsafe class ProcessPlan
{
    private const int Executable = 1; // X_OK

    private readonly string _searchPath;
    private byte* _path;

    /// <summary>Plans to run a program.</summary>
    /// <param name="words">The program and its arguments.</param>
    /// <param name="searchPath">Folders to look for it in, separated by colons.</param>
    public ProcessPlan(IReadOnlyList<string> words, string? searchPath)
    {
        Name = words[0];
        _searchPath = searchPath ?? "/usr/local/bin:/usr/bin:/bin";
        Arguments = (byte**)NativeMemory.AllocZeroed((nuint)(words.Count + 1), (nuint)sizeof(byte*));
        for (var i = 0; i < words.Count; i++) Arguments[i] = (byte*)Marshal.StringToCoTaskMemUTF8(words[i]);
        Spawning = (byte*)NativeMemory.AllocZeroed(Libc.SpawnStructureSize);
        var signals = stackalloc byte[128];
        _ = Libc.posix_spawnattr_init(Spawning);
        // Everything at its default: this process ignores SIGPIPE. A group of its own: a time limit ends the process and what it started.
        _ = Libc.sigfillset(signals);
        _ = Libc.posix_spawnattr_setsigdefault(Spawning, signals);
        _ = Libc.sigemptyset(signals);
        _ = Libc.posix_spawnattr_setsigmask(Spawning, signals);
        _ = Libc.posix_spawnattr_setpgroup(Spawning, 0);
        _ = Libc.posix_spawnattr_setflags(Spawning, Libc.SpawnSetSignalDefaults | Libc.SpawnSetSignalMask | Libc.SpawnSetGroup);
    }

    /// <summary>The program as it was given.</summary>
    public string Name { get; }

    /// <summary>argv.</summary>
    public byte** Arguments { get; }

    /// <summary>posix_spawnattr_t.</summary>
    public byte* Spawning { get; }

    /// <summary>The program's path; null when it cannot be found now.</summary>
    public byte* Path => _path != null ? _path : _path = Find();

    /// <summary>Looks for the program anew: it was not where it had been.</summary>
    public void Forget() => _path = null;

    private byte* Find()
    {
        if (Name.Contains('/')) return (byte*)Marshal.StringToCoTaskMemUTF8(Name);
        foreach (var folder in _searchPath.Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            var path = System.IO.Path.Combine(folder, Name);
            if (Libc.access(path, Executable) == 0 && File.Exists(path)) return (byte*)Marshal.StringToCoTaskMemUTF8(path);
        }
        return null;
    }
}
