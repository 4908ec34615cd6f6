using Stint.Functions.Deployments;
using Stint.Invocations;
using Stint.Management;

namespace Stint.Hosting;

/// <summary>Deploys the repository's examples and says how to call them: the first thing that a newcomer sees.</summary>
internal static class ExampleFunctions
{
    private static readonly string[] Shown = ["hello-python", "hello-node", "hello-shell"];

    /// <summary>Deploys every folder of <c>examples/</c> that is a function.</summary>
    /// <exception cref="IOException">The folder is not there.</exception>
    public static async Task DeployAsync(Platform platform, IReadOnlyList<EndpointView> endpoints, CancellationToken cancellationToken)
    {
        var folder = Find() ?? throw new IOException("there is no folder 'examples' here or beside the program; run 'stint up --examples' in a clone of the repository");
        foreach (var example in Directory.GetDirectories(folder).Order(StringComparer.Ordinal))
        {
            var toml = Path.Combine(example, "function.toml");
            var code = Path.Combine(example, "code");
            if (!File.Exists(toml) || !Directory.Exists(code) || !FunctionName.TryParse(Path.GetFileName(example), out var name)) continue;
            await platform.DeployAsync(name, await File.ReadAllTextAsync(toml, cancellationToken).ConfigureAwait(false), new CodeSource.Folder(code), static _ => { }, cancellationToken).ConfigureAwait(false);
        }
        var http = endpoints.FirstOrDefault(static endpoint => endpoint.Protocol == "http")?.Url;
        if (http is null) return;
        Console.WriteLine("\nThe examples are deployed. Call them from another terminal:\n");
        foreach (var name in Shown) Console.WriteLine($"  curl {http}/{name} -d World");
        Console.WriteLine("\nCtrl-C stops the daemon. 'stint ls' lists the functions, 'stint new python3 NAME' begins one of your own.\n");
    }

    // The launcher runs in the clone; a published program may lie beside its examples.
    private static string? Find()
    {
        var root = Environment.GetEnvironmentVariable("STINT_ROOT");
        return new[] { root is null ? null : Path.Combine(root, "examples"), Path.Combine(Environment.CurrentDirectory, "examples"), Path.Combine(AppContext.BaseDirectory, "examples") }
            .FirstOrDefault(static path => path is not null && Directory.Exists(path));
    }
}
