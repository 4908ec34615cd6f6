using System.CommandLine;

namespace Stint.Cli;

/// <summary><c>stint up</c>: the daemon in the foreground.</summary>
internal static class UpCommand
{
    /// <summary>Declares the command; <paramref name="up"/> does the work.</summary>
    public static Command Build(UpAction up, GlobalOptions globals)
    {
        var command = new Command("up", "Run the platform in the foreground until Ctrl-C. Each setting is also a key of stint.toml and an environment variable: --http-port, http-port, STINT_HTTP_PORT.");
        var examples = new Option<bool>("--examples") { Description = "Deploy the examples and print how to call them." };
        var config = new Option<string>("--config") { Description = "The configuration file.", HelpName = "path" };
        command.Options.Add(examples);
        command.Options.Add(config);
        var read = DaemonFlags.AddTo(command, _ => true);
        command.SetAction((parsed, cancellationToken) =>
        {
            var flags = read(parsed);
            if (parsed.GetValue(config) is { } path) flags["config"] = path;
            if (globals.TokenFile(parsed) is { } tokenFile) flags["token-file"] = tokenFile;
            return up(flags, parsed.GetValue(examples), cancellationToken);
        });
        return command;
    }
}
