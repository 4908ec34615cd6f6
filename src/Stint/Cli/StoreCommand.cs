using System.CommandLine;
using Stint.Cluster.Store;
using Stint.Cluster.Transfers;

namespace Stint.Cli;

/// <summary><c>stint store …</c>: between a daemon's folders and the PostgreSQL store of a cluster. Speaks to the database, not to a daemon.</summary>
internal static class StoreCommand
{
    /// <summary>Declares the command and those below it.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("store", "Move functions, secrets and modules between a daemon's folders and the PostgreSQL store that several gateways share.");
        command.Subcommands.Add(Build(session, "import", "Bring what is in the folders into the store. What the store has besides stays.", "imported",
            static (transfer, replace, report, cancellationToken) => transfer.ImportAsync(replace, $"import on {Environment.MachineName}", report, cancellationToken)));
        command.Subcommands.Add(Build(session, "export", "Bring what is in the store into the folders. What they have besides stays; a daemon that runs there takes it up.", "exported",
            static (transfer, replace, report, cancellationToken) => transfer.ExportAsync(replace, report, cancellationToken)));
        return command;
    }

    private static Command Build(CliSession session, string name, string description, string done, Func<StoreTransfer, bool, Action<string>, CancellationToken, Task<TransferCount>> move)
    {
        var command = new Command(name, description);
        var replace = new Option<bool>("--replace") { Description = "Replace what is there under the same name and is something else; without it, such a difference changes nothing at all." };
        command.Options.Add(replace);
        var json = JsonOption.AddTo(command);
        var read = DaemonFlags.AddTo(command, static setting => setting.Name is "store" or "store-key" or "registry" or "state");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var options = StoreFlags.Load(read(parsed));
            var address = options.Store!;
            await using var store = new ClusterStore(address);
            await store.PrepareAsync(cancellationToken);
            var transfer = new StoreTransfer(store, new TransferFolders(options.Registry, options.State), options.StoreKey!);
            var count = await StepDisplay.ShowAsync(session, $"connecting to {address}", report => move(transfer, parsed.GetValue(replace), report, cancellationToken));
            foreach (var problem in count.Problems) session.Error.WriteLine($"left out: {PrintableText.Line(problem)}");
            if (parsed.GetValue(json)) CliJson.Write(session, new StoreTransferView(address.Shown, options.Registry, count.Functions, count.Same, count.Secrets, count.Modules, count.Scripts, count.HasSubjects, count.Problems), CliJson.Default.StoreTransferView);
            else session.Out.WriteLine($"{done} {Figures.Count(count.Functions, "function")} ({count.Same} were the same), {Figures.Count(count.Secrets, "secret")}, {Figures.Count(count.Modules, "module")}{(count.Scripts > 0 ? $", {Figures.Count(count.Scripts, "script")}" : "")}{(count.HasSubjects ? ", the subjects of FunLess's API" : "")}");
            return ExitCode.Done;
        });
        return command;
    }
}

/// <summary><c>stint store import --json</c> and <c>export --json</c>.</summary>
/// <param name="Store">The store, without a password.</param>
/// <param name="Registry">The registry's folder.</param>
/// <param name="Functions">Functions that were brought over.</param>
/// <param name="Same">Functions that were there already.</param>
/// <param name="Secrets">Secrets that were brought over.</param>
/// <param name="Modules">Modules that were brought over.</param>
/// <param name="Scripts">Scheduling scripts that were brought over.</param>
/// <param name="Subjects">Whether subjects of FunLess's API, with the key of their tokens, were brought over.</param>
/// <param name="LeftOut">Folders of the registry that are no functions.</param>
internal sealed record StoreTransferView(string Store, string Registry, int Functions, int Same, int Secrets, int Modules, int Scripts, bool Subjects, IReadOnlyList<string> LeftOut);
