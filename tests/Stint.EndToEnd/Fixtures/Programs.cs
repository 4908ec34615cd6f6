using System.Diagnostics;
using System.Text;

namespace Stint.EndToEnd.Fixtures;

/// <summary>What a program said and how it ended.</summary>
internal sealed record Finished(int Code, string Out, string Error)
{
    /// <summary>Standard output, when it ended well.</summary>
    public string Good() => Code == 0 ? Out : throw new Xunit.Sdk.XunitException($"exit code {Code}\n--- out\n{Out}\n--- err\n{Error}");
}

/// <summary>Starts the real programs: Stint's own executable, and tools of the host.</summary>
internal static class Programs
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>The repository.</summary>
    public static string Repository { get; } = FindRepository();

    private static string Executable => Environment.GetEnvironmentVariable("STINT_EXECUTABLE") ?? "";

    /// <summary>The assembly that runs Stint: the one that STINT_EXECUTABLE names (<c>./test</c> compiles it ahead), else the build that these tests refer to.</summary>
    public static string Assembly { get; } = Executable.EndsWith(".dll", StringComparison.Ordinal) ? Executable : Path.Combine(AppContext.BaseDirectory, "stint.dll");

    /// <summary>The command that runs Stint: what STINT_EXECUTABLE names, a native build too, else the build that these tests refer to.</summary>
    public static IReadOnlyList<string> Stint { get; } = Executable.Length > 0 && Executable != Assembly ? [Executable] : ["dotnet", Assembly];

    /// <summary>Prepares a start with everything redirected and nothing of the developer's settings.</summary>
    public static ProcessStartInfo Prepare(IEnumerable<string> command, string folder, IReadOnlyDictionary<string, string>? environment = null)
    {
        var words = command.ToList();
        var start = new ProcessStartInfo(words[0], words.Skip(1))
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder,
            StandardOutputEncoding = Encoding.UTF8, StandardErrorEncoding = Encoding.UTF8, StandardInputEncoding = new UTF8Encoding(false),
        };
        foreach (var name in start.Environment.Keys.Where(static name => name.StartsWith("STINT_", StringComparison.Ordinal) || name.EndsWith("_PORT", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        start.Environment["STINT_ROOT"] = Repository;
        // Its pipe in /tmp would look like something left behind.
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        start.Environment["NO_COLOR"] = "1";
        // The ports that no fixture gives: daemons of tests that run side by side would take them from each other.
        start.Environment["STINT_FUNLESS_PORT"] = "-1";
        start.Environment["STINT_NODE_PORT"] = "0";
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        return start;
    }

    /// <summary>Runs a program to its end.</summary>
    public static async Task<Finished> RunAsync(IEnumerable<string> command, string folder, string input = "", IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = Prepare(command, folder, environment);
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} did not start");
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading.
        }
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{string.Join(' ', command)} did not end");
        }
        return new Finished(process.ExitCode, await output, await error);
    }

    private static string FindRepository()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Stint.slnx"))) at = at.Parent;
        return at?.FullName ?? throw new InvalidOperationException("the tests do not lie in the repository");
    }
}
