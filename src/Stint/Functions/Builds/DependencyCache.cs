using System.Runtime.InteropServices;
using Stint.Files;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;

namespace Stint.Functions.Builds;

/// <summary>
/// Built dependencies by what decided about them: <c>STATE/builds/KEY/</c>. Equal dependency files are built once, also when two functions ask at the same moment.
/// Bundles hold hard links, so dropping a build from the cache takes nothing from them.
/// </summary>
internal sealed partial class DependencyCache
{
    private readonly string _folder;
    private readonly string _staging;
    private readonly PackageTools _tools;
    private readonly BuildOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly KeyedGate<string> _gate = new();

    /// <param name="folder"><c>STATE/builds</c>, made if need be.</param>
    /// <param name="staging">A folder on the same file system whose content does not survive a restart.</param>
    /// <param name="tools">pip and npm.</param>
    /// <param name="options">Limits.</param>
    /// <param name="time">For the order of use.</param>
    /// <param name="logger">Log.</param>
    public DependencyCache(string folder, string staging, PackageTools tools, BuildOptions options, TimeProvider time, ILogger logger)
    {
        (_folder, _staging, _tools, _options, _time, _logger) = (folder, staging, tools, options, time, logger);
        Directory.CreateDirectory(folder);
    }

    /// <summary>The identity of what building the set gives. <paramref name="codeHash"/> counts only when the tool sees the code.</summary>
    public async Task<string> KeyAsync(DependencySet set, string codeHash, CancellationToken cancellationToken)
    {
        var version = await _tools.VersionAsync(set.Runtime, cancellationToken);
        var texts = new List<string> { "stint-build 1", set.Runtime.ToString(), version, set.AllowScripts ? "scripts" : "", set.NeedsCode ? codeHash : "" };
        foreach (var (name, content) in set.Files) texts.AddRange([name, Convert.ToBase64String(content)]);
        return BundleHash.OfTexts([.. texts]);
    }

    /// <summary>Puts the dependencies beside the code in <paramref name="target"/>, building them if nobody has. The function's own files win over a package's.</summary>
    /// <param name="set">What to install.</param>
    /// <param name="key">Its <see cref="KeyAsync"/>.</param>
    /// <param name="target">A copy of the code, which the packages are added to.</param>
    /// <param name="onLine">Gets the tool's output.</param>
    /// <param name="cancellationToken">Kills the tool.</param>
    /// <exception cref="DeploymentException">The build failed, or the host lacks something.</exception>
    public async Task InstallAsync(DependencySet set, string key, string target, Action<string> onLine, CancellationToken cancellationToken)
    {
        var built = Path.Combine(_folder, key);
        var isNew = false;
        using (await _gate.EnterAsync(key, cancellationToken))
        {
            isNew = !Directory.Exists(built);
            if (isNew) await BuildAsync(set, key, target, onLine, cancellationToken);
            else onLine("dependencies: unchanged since an earlier build");
            Directory.SetLastWriteTimeUtc(built, _time.GetUtcNow().UtcDateTime);
            Link(built, target);
        }
        if (isNew) await TrimAsync(key, cancellationToken);
    }

    private async Task BuildAsync(DependencySet set, string key, string code, Action<string> onLine, CancellationToken cancellationToken)
    {
        var work = Path.Combine(_staging, Guid.NewGuid().ToString("N"));
        var clean = work + ".clean";
        var started = _time.GetTimestamp();
        try
        {
            CodeTree.MakeFolder(work);
            var input = Path.Combine(work, "in");
            if (set.NeedsCode) CodeTree.Copy(code, CodeTree.Walk(code), input);
            else
            {
                CodeTree.MakeFolder(input);
                foreach (var (name, content) in set.Files) await File.WriteAllBytesAsync(Path.Combine(input, name), content, cancellationToken);
            }
            var result = await _tools.InstallAsync(set, work, onLine, cancellationToken);

            // What the tool left belongs to the sandbox's user and is as untrusted as an upload: checked, and copied into files of our own.
            var entries = CodeTree.Walk(result);
            CheckResult(result, entries);
            CodeTree.Copy(result, entries, clean);
            DurableTree.Flush(clean);
            Directory.Move(clean, Path.Combine(_folder, key));
            Durability.Flush(_folder);
            LogBuilt(set.Runtime, key, _time.GetElapsedTime(started).TotalSeconds);
        }
        finally
        {
            DeleteQuietly(work);
            DeleteQuietly(clean);
        }
    }

    private static void CheckResult(string result, List<CodeEntry> entries)
    {
        try
        {
            CodeTree.Check(result, entries);
        }
        catch (DeploymentException e)
        {
            throw new BuildFailedException($"the installed packages cannot be used: {e.Message}");
        }
    }

    /// <summary>Hard-links the packages into the code's folder; copies where the file system cannot.</summary>
    private static void Link(string built, string target)
    {
        var skipped = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (path, stat) in CodeTree.Walk(built))
        {
            var parent = Path.GetDirectoryName(path);
            if (parent is { Length: > 0 } && skipped.Contains(parent))
            {
                if (stat.IsFolder) skipped.Add(path);
                continue;
            }
            var from = Path.Combine(built, path);
            var to = Path.Combine(target, path);
            var taken = FileStat.TryRead(to, out var own);
            if (stat.IsFolder)
            {
                if (!taken) CodeTree.MakeFolder(to);
                else if (!own.IsFolder) skipped.Add(path);
            }
            else if (taken) continue;
            else if (stat.IsLink) File.CreateSymbolicLink(to, new FileInfo(from).LinkTarget!);
            else if (HardLink(from, to) != 0) File.Copy(from, to);
        }
    }

    /// <summary>Drops the longest unused builds until the rest fits; never <paramref name="newest"/>.</summary>
    private async Task TrimAsync(string newest, CancellationToken cancellationToken)
    {
        // One trim at a time; nobody waits for this key while holding another.
        using (await _gate.EnterAsync("trim", cancellationToken))
        {
            var builds = new DirectoryInfo(_folder).GetDirectories().OrderByDescending(b => b.Name == newest).ThenByDescending(b => b.LastWriteTimeUtc).ToArray();
            var total = 0L;
            foreach (var build in builds)
            {
                total += CodeTree.Walk(build.FullName).Where(e => e.Stat.IsFile).Sum(e => e.Stat.Size);
                if (total <= _options.CacheLimit || build.Name == newest) continue;
                using var pass = await _gate.EnterAsync(build.Name, cancellationToken);
                // Renamed first: half a build must never look like one.
                var trash = Path.Combine(_staging, Guid.NewGuid().ToString("N"));
                Directory.Move(build.FullName, trash);
                DeleteQuietly(trash);
                LogDropped(build.Name);
            }
        }
    }

    private void DeleteQuietly(string folder)
    {
        try
        {
            CodeTree.Delete(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotRemoved(e, folder);
        }
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int HardLink(string existing, string name);

    [LoggerMessage(2100, LogLevel.Information, "Built {Runtime} dependencies {Key} in {Seconds:0.0} s")]
    private partial void LogBuilt(Runtime runtime, string key, double seconds);

    [LoggerMessage(2102, LogLevel.Warning, "{Folder} could not be removed; the next start tries again")]
    private partial void LogNotRemoved(Exception error, string folder);

    [LoggerMessage(2101, LogLevel.Information, "Dropped the build {Key} from the cache: it is over its limit")]
    private partial void LogDropped(string key);
}
