namespace Stint.Tests.Functions;

/// <summary>Finds files of the repository from where the tests run.</summary>
internal static class RepositoryFolder
{
    /// <summary>Absolute path of a file of the repository.</summary>
    public static string File(params ReadOnlySpan<string> parts) => Path.Combine([Root, .. parts]);

    private static string Root { get; } = Find(AppContext.BaseDirectory);

    private static string Find(string folder) => System.IO.File.Exists(Path.Combine(folder, "Stint.slnx"))
        ? folder
        : Find(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests do not run inside the repository"));
}
