using Stint.Watchdog.Posix;
using Stint.Watchdog.Settings;
using Stint.Watchdog.Telemetry;

namespace Stint.Watchdog.Hosting;

/// <summary>Whether requests are welcome: a flag, and a lock file that orchestrators look for, and that a function may remove to be replaced.</summary>
internal sealed class Health
{
    private readonly bool _hasLock;
    private volatile bool _accepting;

    /// <summary>Begins as not healthy.</summary>
    public Health(WatchdogSettings settings) => _hasLock = !settings.SuppressLock;

    /// <summary>Where the lock file is.</summary>
    public static string LockFile => Path.Combine(Environment.GetEnvironmentVariable("TMPDIR") is { Length: > 0 } folder ? folder : "/tmp", ".lock");

    /// <summary>Whether there is a lock file.</summary>
    public static bool HasLockFile => Libc.access(LockFile, 0) == 0;

    /// <summary>Whether requests are welcome.</summary>
    public bool IsHealthy => _accepting && (!_hasLock || HasLockFile);

    /// <summary>From now on they are.</summary>
    /// <exception cref="IOException">The lock file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The lock file cannot be written.</exception>
    public void Begin()
    {
        if (_hasLock)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(LockFile)!);
            WatchdogLog.Write($"Writing lock-file to: {LockFile}");
            File.WriteAllBytes(LockFile, []);
        }
        else WatchdogLog.Write("Warning: \"suppress_lock\" is enabled. No automated health-checks will be in place for your function.");
        _accepting = true;
    }

    /// <summary>From now on they are not.</summary>
    public void End()
    {
        _accepting = false;
        if (!_hasLock) return;
        WatchdogLog.Write($"Removing lock-file : {LockFile}");
        try
        {
            File.Delete(LockFile);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            WatchdogLog.Write($"the lock file could not be removed: {failure.Message}");
        }
    }
}
