namespace Stint.Tests.Functions;

/// <summary>Compares a generated page with its file in the repository; <c>BLESS=1</c> writes the file instead.</summary>
internal static class GeneratedPage
{
    public static void AssertCurrent(string page, params ReadOnlySpan<string> path)
    {
        var file = RepositoryFolder.File(path);
        if (Environment.GetEnvironmentVariable("BLESS") == "1") File.WriteAllText(file, page);
        Assert.True(File.Exists(file) && File.ReadAllText(file) == page, $"{file} is stale: run the tests once with BLESS=1");
    }

    /// <summary>The fenced blocks of that language.</summary>
    public static IEnumerable<string> Blocks(string page, string language)
    {
        foreach (var part in page.Split($"```{language}\n").Skip(1)) yield return part[..part.IndexOf("```", StringComparison.Ordinal)];
    }
}
