using System.CommandLine;
using System.Globalization;
using Stint.Management;

namespace Stint.Cli;

/// <summary><c>stint token</c>: who may use FunLess's API.</summary>
internal static class TokenCommand
{
    /// <summary>Declares the commands.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("token", "Who may use FunLess's API: subjects and their tokens. Wants the daemon's own token, even at the loopback: --token-file STATE/token.");
        command.Subcommands.Add(BuildList(session, globals));
        command.Subcommands.Add(BuildOne(session, globals, "create", "Add a subject and print its token, which is good for 14 days.", static (client, name, cancellationToken) => client.AddTokenAsync(name, cancellationToken)));
        command.Subcommands.Add(BuildOne(session, globals, "renew", "Print a new token for a subject; the one before is good no more.", static (client, name, cancellationToken) => client.RenewTokenAsync(name, cancellationToken)));
        command.Subcommands.Add(BuildRevoke(session, globals));
        return command;
    }

    private static Command BuildList(CliSession session, GlobalOptions globals)
    {
        var command = new Command("ls", "List the subjects, and until when their tokens are good.");
        var json = JsonOption.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var subjects = await client.ListTokensAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                CliJson.Write(session, new TokenListView(subjects), CliJson.Default.TokenListView);
                return ExitCode.Done;
            }
            var listing = new Listing("SUBJECT", "MAY", "GOOD UNTIL");
            foreach (var subject in subjects) listing.Add(subject.Name, subject.IsAdmin ? "everything" : "functions", subject.ExpiresAt.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture));
            listing.Write(session);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command BuildOne(CliSession session, GlobalOptions globals, string word, string help, Func<ManagementClient, string, CancellationToken, Task<TokenView>> ask)
    {
        var command = new Command(word, help);
        var name = NameArgument();
        command.Arguments.Add(name);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            // Alone on its line, for scripts.
            session.Out.WriteLine((await ask(client, parsed.GetRequiredValue(name), cancellationToken)).Token);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command BuildRevoke(CliSession session, GlobalOptions globals)
    {
        var command = new Command("revoke", "Remove a subject: its token is good no more. Admin and guest stay, and get another token.");
        var name = NameArgument();
        command.Arguments.Add(name);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            await client.RevokeTokenAsync(parsed.GetRequiredValue(name), cancellationToken);
            session.Out.WriteLine($"revoked {PrintableText.Line(parsed.GetRequiredValue(name))}");
            return ExitCode.Done;
        });
        return command;
    }

    private static Argument<string> NameArgument() => new("name") { Description = "The subject's name.", HelpName = "NAME" };
}
