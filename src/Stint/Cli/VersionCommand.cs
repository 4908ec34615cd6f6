using System.CommandLine;
using System.Runtime.InteropServices;
using Stint.Hosting;

namespace Stint.Cli;

/// <summary><c>stint version</c>: of the program itself.</summary>
internal static class VersionCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("version", "Print the version of this program.");
        var json = JsonOption.AddTo(command);
        command.SetAction(parsed =>
        {
            var view = new VersionView(ProgramVersion.Text, RuntimeInformation.FrameworkDescription, RuntimeInformation.RuntimeIdentifier);
            if (parsed.GetValue(json)) CliJson.Write(session, view, CliJson.Default.VersionView);
            else session.Out.WriteLine($"stint {view.Version} ({view.Framework}, {view.Platform})");
            return ExitCode.Done;
        });
        return command;
    }
}
