using System.CommandLine;

namespace Stint.Cli;

/// <summary><c>stint wipe</c>: removes every function, or what is left of Stint at a container engine, after asking.</summary>
internal static class WipeCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("wipe",
            "Remove every function. Asks on a terminal; elsewhere it needs --yes. With --containers no function, but every container, network, image and volume that a daemon of Stint's made at the container engine; no daemon need run.");
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask." };
        var containers = new Option<bool>("--containers") { Description = "Clean up the container engine instead: what carries Stint's label, of every daemon, and nothing else. Base images and your own ('stint image ls') stay." };
        command.Options.Add(yes);
        command.Options.Add(containers);
        var connect = EngineFlag.AddTo(command, session);
        var json = JsonOption.AddTo(command, "With --containers: print JSON, in a form that stays.");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var isSure = parsed.GetValue(yes);
            var isOfEngine = parsed.GetValue(containers);
            if (!isOfEngine && parsed.GetValue(json)) throw new CliException("--json is for --containers.", ExitCode.Usage);
            if (!isSure && !session.InputIsTerminal)
                throw new CliException($"wipe removes {(isOfEngine ? "what daemons made at the engine" : "every function")} and nobody is there to be asked. Add --yes to mean it.", ExitCode.Usage);
            if (isOfEngine)
            {
                using var engine = connect(parsed);
                return await ContainerWipe.RunAsync(session, engine, isSure, parsed.GetValue(json), (question, cancelled) => AskAsync(session, question, cancelled), cancellationToken);
            }
            using var client = globals.Connect(parsed, session);
            if (!isSure)
            {
                var functions = await client.ListAsync(cancellationToken);
                if (!await AskAsync(session, $"Remove {Figures.Count(functions.Count, "function")} from {client.Address.Authority}? [y/N] ", cancellationToken)) return ExitCode.Failed;
            }
            session.Out.WriteLine($"removed {Figures.Count(await client.WipeAsync(cancellationToken), "function")}");
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<bool> AskAsync(CliSession session, string question, CancellationToken cancellationToken)
    {
        session.Error.Write(PrintableText.Line(question));
        using var reader = new StreamReader(session.OpenInput());
        // A read of a terminal cannot be cancelled; Ctrl-C leaves it behind.
        var line = await reader.ReadLineAsync(cancellationToken).AsTask().WaitAsync(cancellationToken);
        if (line?.Trim().ToUpperInvariant() is "Y" or "YES") return true;
        session.Error.WriteLine("Nothing was removed.");
        return false;
    }
}
