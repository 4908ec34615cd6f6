using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Stint.Coap.Tests.Interop;

/// <summary>The programs that the tests talk to; <c>install-tools.sh</c> installs them.</summary>
internal static class Tools
{
    public const string CoapClient = "coap-client-notls";

    /// <summary>Where npm put the package coap.</summary>
    public static string NodeModules { get; } = Path.GetFullPath(Path.Combine(SourceFolder(), "../../../artifacts/coap-tools/node/node_modules"));

    public static string NodeClient { get; } = Path.Combine(SourceFolder(), "node/client.js");

    /// <summary>What is missing of the named tools; null when all are there.</summary>
    public static string? Missing(params string[] tools)
    {
        var missing = tools.Where(tool => tool == "npm:coap" ? !Directory.Exists(Path.Combine(NodeModules, "coap")) : Find(tool) is null).ToArray();
        return missing.Length == 0 ? null : $"{string.Join(", ", missing)} missing; run tests/Stint.Coap.Tests/install-tools.sh";
    }

    /// <summary>Runs a program to its end and returns its output; fails after a minute and a half.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(90), TimeProvider.System);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output, await errors);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    private static string? Find(string tool) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Select(folder => Path.Combine(folder, tool)).FirstOrDefault(File.Exists);

    private static string SourceFolder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}

/// <summary>A test that needs programs: without them it is skipped on a developer's machine and fails where <c>CI=true</c>.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ToolFactAttribute : FactAttribute
{
    public ToolFactAttribute(params string[] tools)
    {
        if (Environment.GetEnvironmentVariable("CI") != "true") Skip = Tools.Missing(tools);
    }
}
