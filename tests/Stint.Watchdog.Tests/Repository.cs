namespace Stint.Watchdog.Tests;

/// <summary>Where the sources are.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        if (Environment.GetEnvironmentVariable("STINT_ROOT") is { Length: > 0 } root) return root;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Stint.slnx"))) return folder.FullName;
        }
        throw new InvalidOperationException("the repository's root was not found: set STINT_ROOT");
    }
}
