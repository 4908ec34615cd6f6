using Stint.Backends.Processes.Sandboxing;

namespace Stint.Checks;

/// <summary>Finds an interpreter the way the daemon does.</summary>
internal static class Interpreter
{
    /// <summary>The configured one, else that of the system, else the first in PATH; null when there is none.</summary>
    public static string? Find(string? configured, string name)
    {
        if (configured is not null) return Tool.IsProgram(configured) ? configured : null;
        return HostPrograms.Find(name) is { } found && Tool.IsProgram(found) ? found : null;
    }

    /// <summary>Whether sandboxes show the file: they see the system's folders, and no home.</summary>
    public static bool IsVisibleInSandbox(string path) =>
        !path.StartsWith("/root/", StringComparison.Ordinal) && !path.StartsWith("/home/", StringComparison.Ordinal);

    /// <summary>Reads <c>v20.1.2</c>, <c>Python 3.11.7</c> or <c>pip 23.0.1 from …</c>.</summary>
    public static Version? ParseVersion(string text)
    {
        var word = text.Split(' ').Select(part => part.TrimStart('v')).FirstOrDefault(part => part.Length > 0 && char.IsAsciiDigit(part[0]));
        // 3.13.0rc1, 20.0.0-nightly: what follows the digits and dots is of no interest here.
        return word is not null && Version.TryParse(string.Concat(word.TakeWhile(c => char.IsAsciiDigit(c) || c is '.')).TrimEnd('.'), out var version) ? version : null;
    }
}
