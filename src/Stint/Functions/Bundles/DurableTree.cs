using Stint.Files;

namespace Stint.Functions.Bundles;

/// <summary>Makes folders survive a power cut before they are renamed into place. A rename is durable only when the folder that holds the name is flushed as well.</summary>
internal static class DurableTree
{
    /// <summary>Above so many files one <c>syncfs(2)</c> is cheaper than a journal commit each. Arbitrary; node_modules has thousands.</summary>
    private const int FilesWorthSyncing = 64;

    /// <summary>Flushes the folder and everything below it.</summary>
    /// <exception cref="IOException">The host could not write it; the disk may be full.</exception>
    public static void Flush(string folder)
    {
        var entries = CodeTree.Walk(folder);
        if (entries.Count > FilesWorthSyncing)
        {
            Durability.FlushFileSystem(folder);
            return;
        }
        foreach (var (path, stat) in entries)
            if (stat.IsFile || stat.IsFolder) Durability.Flush(Path.Combine(folder, path));
        Durability.Flush(folder);
    }
}
