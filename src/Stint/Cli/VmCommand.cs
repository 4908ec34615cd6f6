using System.CommandLine;

namespace Stint.Cli;

/// <summary><c>stint vm …</c>: what virtual machines of functions boot. Speaks to no daemon.</summary>
internal static class VmCommand
{
    /// <summary>Declares the command and those below it.</summary>
    public static Command Build(CliSession session)
    {
        var image = new Command("image", "Images that virtual machines boot.");
        image.Subcommands.Add(VmImageBuildCommand.Build(session));
        var command = new Command("vm", "Make what virtual machines boot, from this host's own files.");
        command.Subcommands.Add(image);
        return command;
    }
}
