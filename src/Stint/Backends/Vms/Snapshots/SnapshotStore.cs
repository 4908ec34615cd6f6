// STATE/vms/snapshots/FUNCTION/KEY/…   one snapshot for each function: its serving version's, made by the hypervisor that is installed, on this kernel and processor
//                          KEY.new/   one in the making; never used, removed at the next start
//
// The key covers everything that a machine's state depends on. Another QEMU, kernel or processor has another key: then there is no snapshot, the machine boots, and a new one takes the place of the old.
using System.Collections.Concurrent;
using System.Globalization;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;
using Stint.Functions.Bundles;
using Stint.Invocations;

namespace Stint.Backends.Vms.Snapshots;

/// <summary>Keeps the snapshots of functions' machines.</summary>
/// <param name="root">Their folder.</param>
/// <param name="logger">For what an operator should know.</param>
internal sealed partial class SnapshotStore(string root, ILogger logger)
{
    /// <summary>Moves when snapshots are made or used differently.</summary>
    private const string Format = "stint-snapshot 1";

    // Snapshots that are being made.
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _making = new(StringComparer.Ordinal);

    private const int LongestFolder = 200;

    // Keys of which none could be made or used: not tried again by this daemon.
    private readonly ConcurrentDictionary<string, bool> _abandoned = new(StringComparer.Ordinal);

    /// <summary>What identifies the state of a ready machine of a version.</summary>
    /// <param name="version">The version.</param>
    /// <param name="program">The hypervisor.</param>
    /// <param name="usesKvm">Whether KVM runs it.</param>
    public static string KeyOf(FunctionVersion version, string program, bool usesKvm)
    {
        FileStat.TryRead(File.ResolveLinkTarget(program, returnFinalTarget: true)?.FullName ?? program, out var stat);
        return BundleHash.OfTexts(Format, version.Id, program, string.Create(CultureInfo.InvariantCulture, $"{stat.Size} {stat.Modified} {usesKvm}"), File.ReadAllText("/proc/sys/kernel/osrelease"), Processor())[..32];
    }

    /// <summary>The snapshot of that key; null when there is none.</summary>
    public VmSnapshot? Find(FunctionName function, string key) => Directory.Exists(Folder(function, key)) ? new VmSnapshot(Folder(function, key)) : null;

    /// <summary>Whether the caller is to make the snapshot of that key: one at a time is, until it says <see cref="Release"/>.</summary>
    public bool Claim(string key) => !_abandoned.ContainsKey(key) && _making.TryAdd(key, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

    /// <summary>The caller has made it, or will not.</summary>
    public void Release(string key)
    {
        if (_making.TryRemove(key, out var made)) made.TrySetResult();
    }

    /// <summary>Ends when nobody is making that snapshot, whether it is there then or not.</summary>
    public Task MadeAsync(string key) => _making.TryGetValue(key, out var making) ? making.Task : Task.CompletedTask;

    /// <summary>Makes one, and lets it take the place of the function's others.</summary>
    /// <param name="function">The function.</param>
    /// <param name="key">Its key.</param>
    /// <param name="save">Puts its files into the folder.</param>
    /// <exception cref="IOException">It cannot be made; nothing of it is left.</exception>
    public async Task MakeAsync(FunctionName function, string key, Func<VmSnapshot, Task> save)
    {
        var folder = Folder(function, key);
        var making = folder + ".new";
        try
        {
            Remove(making);
            foreach (var made in (string[])[root, Path.GetDirectoryName(folder)!, making])
            {
                Directory.CreateDirectory(made);
                File.SetUnixFileMode(made, HostPrograms.TraversableFolder);
            }
            await save(new VmSnapshot(making)).ConfigureAwait(false);
            // Memory of a guest: for hypervisors of this daemon, which see it in their sandboxes only.
            foreach (var file in Directory.GetFiles(making)) CodeTree.SetExecutable(file, false);
            foreach (var other in Directory.GetDirectories(Path.GetDirectoryName(folder)!).Where(other => other != making)) Remove(other);
            Directory.Move(making, folder);
            Made(logger, function, new DirectoryInfo(folder).EnumerateFiles().Sum(static file => file.Length) >> 20);
        }
        catch
        {
            Remove(making);
            throw;
        }
    }

    /// <summary>Removes a snapshot that does not do what it should; it is not made again by this daemon.</summary>
    public void Drop(FunctionName function, string key, string problem)
    {
        _abandoned[key] = true;
        Remove(Folder(function, key));
        Dropped(logger, function, problem);
    }

    /// <summary>Removes what is kept for a function that is gone.</summary>
    public void Forget(FunctionName function) => Remove(Folder(function));

    /// <summary>Removes what is kept for functions that are not there, and what a daemon that was killed has begun.</summary>
    public void Sweep(IEnumerable<FunctionName> functions)
    {
        if (!Directory.Exists(root)) return;
        var names = functions.Select(name => Path.GetFileName(Folder(name))).ToHashSet(StringComparer.Ordinal);
        foreach (var folder in Directory.GetDirectories(root))
        {
            if (!names.Contains(Path.GetFileName(folder))) Remove(folder);
            else foreach (var begun in Directory.GetDirectories(folder, "*.new")) Remove(begun);
        }
    }

    private string Folder(FunctionName function, string key) => Path.Combine(Folder(function), key);

    // Module and name together may be longer than a file's name.
    private string Folder(FunctionName function) => Path.Combine(root, function.ToString() is { Length: > LongestFolder } name ? BundleHash.OfTexts(name) : function.ToString());

    private void Remove(string folder)
    {
        try
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            NotRemoved(logger, folder, failure.Message);
        }
    }

    private static string Processor()
    {
        try
        {
            return string.Join('\n', File.ReadLines("/proc/cpuinfo").TakeWhile(static line => line.Length > 0).Where(static line => line.StartsWith("model name", StringComparison.Ordinal) || line.StartsWith("flags", StringComparison.Ordinal)));
        }
        catch (IOException)
        {
            return "";
        }
    }

    [LoggerMessage(280, LogLevel.Information, "{Function} has a snapshot of {Size} MiB: its next instances resume instead of booting")]
    private static partial void Made(ILogger logger, FunctionName function, long size);

    [LoggerMessage(281, LogLevel.Warning, "the snapshot of {Function} was dropped, its instances boot: {Problem}")]
    private static partial void Dropped(ILogger logger, FunctionName function, string problem);

    [LoggerMessage(282, LogLevel.Warning, "{Folder} could not be removed: {Problem}")]
    private static partial void NotRemoved(ILogger logger, string folder, string problem);
}
