using System.CommandLine;

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
}
