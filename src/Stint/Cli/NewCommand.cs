using System.CommandLine;
using System.Reflection;
using System.Text;
using Stint.Invocations;

namespace Stint.Cli;

/// <summary><c>stint new RUNTIME NAME</c>: a folder with a function that works, to be changed.</summary>
internal static class NewCommand
{
    private const string Placeholder = "{{name}}";

    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("new", "Make a working function in the folder ./NAME.");
        var runtime = new Argument<string>("runtime") { Description = "python3, nodejs, binary, container, wasm-c or wasm-as (AssemblyScript)." };
        runtime.AcceptOnlyFromAmong("python3", "nodejs", "binary", "container", "wasm-c", "wasm-as");
        var name = new Argument<string>("name") { Description = "Its name, and the folder's." };
        name.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !FunctionName.IsValidPart(token.Value)) result.AddError($"'{token.Value}' cannot be a function's name: {FunctionName.Rule}.");
        });
        command.Arguments.Add(runtime);
        command.Arguments.Add(name);
        command.SetAction(parsed =>
        {
            var folder = parsed.GetRequiredValue(name);
            var kind = parsed.GetRequiredValue(runtime);
            Write(kind, folder, session.FullPath(folder));
            session.Out.WriteLine($"Made {folder}/. Its README says what is where. Now:\n");
            if (kind is "container") session.Out.WriteLine($"  {folder}/image/build.sh");
            if (kind is "wasm-c" or "wasm-as") session.Out.WriteLine($"  {folder}/build.sh");
            session.Out.WriteLine($"  stint deploy {folder}\n  stint invoke {folder} -d World");
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Unpacks a template.</summary>
    /// <exception cref="CliException">The folder exists.</exception>
    private static void Write(string runtime, string name, string folder)
    {
        if (Path.Exists(folder)) throw new CliException($"{folder} exists already. Choose another name, or remove it first.");
        var assembly = Assembly.GetExecutingAssembly();
        var prefix = $"templates/{runtime}/";
        foreach (var resource in assembly.GetManifestResourceNames().Where(resource => resource.StartsWith(prefix, StringComparison.Ordinal)))
        {
            var path = Path.Combine(folder, resource[prefix.Length..]);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
            File.WriteAllText(path, reader.ReadToEnd().Replace(Placeholder, name, StringComparison.Ordinal));
            if (Path.GetExtension(path) is ".sh" or ".cgi") File.SetUnixFileMode(path, File.GetUnixFileMode(path) | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        }
    }
}
