using Stint.Functions.Bundles;
using Stint.Functions.Deployments;

namespace Stint.Functions.Builds;

/// <summary>
/// Has V8 compile a Node.js function ahead of its starts (runtimes/nodejs/runtime.js, part 6): the function is loaded once, in the build's sandbox, and what V8 compiled for that is kept in the bundle.
/// </summary>
internal static class NodeJsCompiled
{
    /// <summary>The file in the bundle; an uploaded one of that name is removed.</summary>
    public const string FileName = ".stint-compiled";

    // Below this, in bytes of source, the gain at each start is less than a millisecond or two, and a deployment need not wait for a Node.js (measured: docs/decisions/0015).
    private const long WorthIt = 64 * 1024;

    // The code is copied for it. Arbitrary: more than any function that starts fast.
    private const long MaxCode = 128L << 20;

    // Loading is others' code: it may wait for a network that is not there.
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(10);

    /// <summary>Node.js's heap limit for an instance's memory: V8 goes by the host's unless told; a quarter is left for code, buffers and <c>/tmp</c>. V8 takes compiled code of the same limit only.</summary>
    public static string HeapFlag(int memoryMiB) => $"--max-old-space-size={Math.Max(16, memoryMiB * 3 / 4)}";

    /// <summary>Makes the file; nothing happens where that gains nothing or cannot be done, for a function runs without it as well.</summary>
    /// <param name="sandbox">Where the function is loaded.</param>
    /// <param name="tools">The interpreters.</param>
    /// <param name="process">The memory decides about the heap.</param>
    /// <param name="bundle">The code with its packages, complete; the daemon's own copy of it.</param>
    /// <param name="scratch">A folder that does not exist yet; the caller removes it.</param>
    /// <param name="options">Limits.</param>
    /// <param name="cancellationToken">Kills the interpreter.</param>
    public static async Task MakeAsync(IBuildSandbox sandbox, IToolchain tools, ProcessSpec process, string bundle, string scratch, BuildOptions options, CancellationToken cancellationToken)
    {
        var target = Path.Combine(bundle, FileName);
        if (Directory.Exists(target)) CodeTree.Delete(target);
        else File.Delete(target);
        if (options.Runtimes is not { } runtimes) return;
        var entries = CodeTree.Walk(bundle);
        var sources = entries.Where(static entry => entry.Stat.IsFile && (entry.Path.EndsWith(".js", StringComparison.Ordinal) || entry.Path.EndsWith(".cjs", StringComparison.Ordinal))).Sum(static entry => entry.Stat.Size);
        if (sources < WorthIt || entries.Sum(static entry => entry.Stat.IsFile ? entry.Stat.Size : 0) > MaxCode) return;

        // What loading writes, it writes into a copy: of that only the one file is taken.
        CodeTree.MakeFolder(scratch);
        CodeTree.Copy(bundle, entries, Path.Combine(scratch, "fn"));
        File.Copy(Path.Combine(runtimes, "nodejs/runtime.js"), Path.Combine(scratch, "runtime.js"));
        var seen = sandbox.SeenAs(scratch);
        try
        {
            var exit = await sandbox.RunAsync(new BuildCommand
            {
                Arguments = [tools.NodeJs, HeapFlag(process.MemoryMiB), $"{seen}/runtime.js", "--compile", $"{seen}/fn", $"{seen}/compiled"], WorkFolder = scratch, StartIn = "",
                Environment = new Dictionary<string, string> { ["PATH"] = "/usr/local/bin:/usr/bin:/bin", ["HOME"] = "/tmp", ["LANG"] = "C.UTF-8" },
                TimeLimit = options.TimeLimit < TimeLimit ? options.TimeLimit : TimeLimit, SizeLimit = options.SizeLimit, Network = NetworkAccess.None, Runtime = Runtime.NodeJs,
            }, static _ => { }, cancellationToken);
            if (exit.End != BuildEnd.Exited) return;
        }
        catch (DeploymentException)
        {
            return; // no interpreter, or no sandbox: whoever starts the function says so
        }
        // What is there was made beside others' code: it may be anything, a link for instance.
        var made = Path.Combine(scratch, "compiled");
        if (!FileStat.TryRead(made, out var stat) || !stat.IsFile || stat.Size > MaxCode) return;
        File.Copy(made, target);
        CodeTree.SetExecutable(target, false);
    }
}
