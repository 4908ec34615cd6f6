using System.Collections.Concurrent;
using Stint.Functions.Builds;

namespace Stint.Tests.Functions;

/// <summary>Stands in for the package tools: counts what is started and writes a file as if it were a package.</summary>
internal sealed class FakeSandbox : IBuildSandbox
{
    public ConcurrentQueue<BuildCommand> Commands { get; } = [];
    public Func<BuildCommand, Action<string>, Task<BuildExit>> Install { get; set; } = (_, _) => Task.FromResult(new BuildExit(BuildEnd.Exited, 0));
    public Func<BuildCommand, BuildExit> Compile { get; set; } = _ => new BuildExit(BuildEnd.Exited, 0);
    public int Installs => Commands.Count(c => c.Arguments.Contains("install"));

    public string SeenAs(string workFolder) => workFolder;

    public async Task<BuildExit> RunAsync(BuildCommand command, Action<string> onLine, CancellationToken cancellationToken)
    {
        Commands.Enqueue(command);
        if (!command.Arguments.Contains("install")) return Compile(command);
        var result = command.Arguments.Contains("--target") ? "out" : "in/node_modules";
        var package = Path.Combine(command.WorkFolder, result, "package");
        Directory.CreateDirectory(package);
        await File.WriteAllTextAsync(Path.Combine(package, "__init__.py"), "built", cancellationToken);
        onLine("Collecting package");
        return await Install(command, onLine);
    }
}
