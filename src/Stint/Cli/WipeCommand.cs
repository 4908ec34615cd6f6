using System.CommandLine;

namespace Stint.Cli;

/// <summary><c>stint wipe</c>: removes every function, after asking.</summary>
internal static class WipeCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("wipe", "Remove every function. Asks on a terminal; elsewhere it needs --yes.");
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask." };
        command.Options.Add(yes);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            if (!parsed.GetValue(yes))
            {
                if (!session.InputIsTerminal) throw new CliException("wipe removes every function and nobody is there to be asked. Add --yes to mean it.", ExitCode.Usage);
                var functions = await client.ListAsync(cancellationToken);
                session.Error.Write($"Remove {Figures.Count(functions.Count, "function")} from {client.Address.Authority}? [y/N] ");
                if (!await IsYesAsync(session, cancellationToken))
                {
                    session.Error.WriteLine("Nothing was removed.");
                    return ExitCode.Failed;
                }
            }
            session.Out.WriteLine($"removed {Figures.Count(await client.WipeAsync(cancellationToken), "function")}");
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<bool> IsYesAsync(CliSession session, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(session.OpenInput());
        // A read of a terminal cannot be cancelled; Ctrl-C leaves it behind.
        var line = await reader.ReadLineAsync(cancellationToken).AsTask().WaitAsync(cancellationToken);
        return line?.Trim().ToUpperInvariant() is "Y" or "YES";
    }
}
