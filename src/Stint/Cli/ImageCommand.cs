using System.CommandLine;
using Stint.Backends.Containers.Engine;
using Stint.Hosting.Configuration;

namespace Stint.Cli;

/// <summary><c>stint image …</c>: images of the container engine, for containers of functions. Speaks to the engine, not to a daemon.</summary>
internal static class ImageCommand
{
    /// <summary>Declares the command and those below it.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("image", "Make, list and remove images of the container engine, without a registry.");
        command.Subcommands.Add(ImageBuildCommand.Build(session));
        command.Subcommands.Add(ImageImportCommand.Build(session));
        command.Subcommands.Add(ImageLsCommand.Build(session));
        command.Subcommands.Add(ImageRmCommand.Build(session));
        return command;
    }

    /// <summary>Declares the flag that names the engine; the result connects to it.</summary>
    public static Func<ParseResult, EngineClient> AddEngineTo(Command command, CliSession session)
    {
        var read = DaemonFlags.AddTo(command, static setting => setting.Name == "docker-host");
        return parsed =>
        {
            // stint.toml and the environment count as well, as for 'up'.
            var reading = OptionsLoader.Load(read(parsed));
            if (reading.Options is not { } options) throw new CliException(string.Join("\n", reading.Problems), ExitCode.BadConfiguration);
            try
            {
                return new EngineClient(EngineAddress.Find(options.DockerHost, session.Variable), session.Time);
            }
            catch (FormatException wrong)
            {
                throw new CliException(wrong.Message, ExitCode.BadConfiguration);
            }
        };
    }
}
