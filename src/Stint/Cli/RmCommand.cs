using System.CommandLine;
using Stint.Management;

namespace Stint.Cli;

/// <summary><c>stint rm NAME…</c>: removes functions.</summary>
internal static class RmCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("rm", "Remove functions: their code, their instances, their folder in the registry.");
        var names = FunctionNameArgument.Many(session);
        command.Arguments.Add(names);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var exitCode = ExitCode.Done;
            foreach (var name in parsed.GetRequiredValue(names))
            {
                try
                {
                    await client.RemoveAsync(name, cancellationToken);
                    session.Out.WriteLine($"removed {name}");
                }
                catch (ManagementException e) when (e.Failure is ManagementFailure.Refused)
                {
                    // One that is not there does not save the others.
                    session.Fail($"{name}: {e.Message}");
                    exitCode = CommandLine.ExitCodeOf(e);
                }
            }
            return exitCode;
        });
        return command;
    }
}
