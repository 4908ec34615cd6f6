using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Stint.Tests.Cli;

/// <summary>Compares output with a file beside the tests. <c>BLESS=1</c> rewrites the file instead: read the diff before you commit it.</summary>
internal static partial class GoldenFile
{
    /// <summary>The root of the repository.</summary>
    public static string Repository([CallerFilePath] string here = "") => Path.GetFullPath("../../..", Path.GetDirectoryName(here)!);

    /// <summary>Compares with <c>Cli/Golden/NAME</c>; ports and durations are made equal first.</summary>
    public static void Check(string name, string actual) => CheckPath(Path.Combine(Repository(), "tests/Stint.Tests/Cli/Golden", name), Normalized(actual));

    /// <summary>Compares with a file of the repository.</summary>
    public static void CheckPath(string path, string actual)
    {
        if (Environment.GetEnvironmentVariable("BLESS") == "1") File.WriteAllText(path, actual);
        Assert.True(File.Exists(path), $"{path} is missing. BLESS=1 writes it.");
        Assert.Equal(File.ReadAllText(path), actual);
    }

    private static string Normalized(string text) => Duration().Replace(Port().Replace(text, "127.0.0.1:PORT"), "in TIME.");

    [GeneratedRegex(@"127\.0\.0\.1:\d+")]
    private static partial Regex Port();

    [GeneratedRegex(@"in [\d.]+ (µs|ms|s)\.")]
    private static partial Regex Duration();
}
