using System.CommandLine;
using Stint.Cluster.Nodes;
using Stint.Cluster.Store;

namespace Stint.Cli;

/// <summary><c>stint cluster …</c>: the machines that share a store. Speaks to the database, not to a daemon.</summary>
internal static class ClusterCommand
{
    /// <summary>Declares the command and those below it.</summary>
    public static Command Build(CliSession session)
    {
        var command = new Command("cluster", "The machines that share a PostgreSQL store (stint up --store).");
        command.Subcommands.Add(ClusterTokenCommand.BuildInit(session));
        command.Subcommands.Add(ClusterTokenCommand.BuildToken(session));
        command.Subcommands.Add(List(session));
        command.Subcommands.Add(Drain(session));
        command.Subcommands.Add(Remove(session));
        return command;
    }

    private static Command List(CliSession session)
    {
        var command = new Command("ls", "List the machines with what they said last of their load.");
        var json = JsonOption.AddTo(command);
        var read = DaemonFlags.AddTo(command, static setting => setting.Name is "store");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var store = await ClusterStore.OpenAsync(StoreFlags.Load(read(parsed)).Store!, cancellationToken);
            var nodes = (await store.Nodes.ListAsync(cancellationToken)).Select(View).ToList();
            if (parsed.GetValue(json)) CliJson.Write(session, new NodeListView(nodes), CliJson.Default.NodeListView);
            else Print(session, nodes);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Drain(CliSession session)
    {
        var command = new Command("drain", "Give a worker no new calls; those that run on it end. 'stint cluster ls' shows when none does any more.");
        var name = new Argument<string>("node") { Description = "Its name, as 'stint cluster ls' has it." };
        var undo = new Option<bool>("--undo") { Description = "Give it calls again." };
        command.Arguments.Add(name);
        command.Options.Add(undo);
        var read = DaemonFlags.AddTo(command, static setting => setting.Name is "store");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var store = await ClusterStore.OpenAsync(StoreFlags.Load(read(parsed)).Store!, cancellationToken);
            var wanted = parsed.GetRequiredValue(name);
            var node = (await store.Nodes.ListAsync(cancellationToken)).Find(node => node.Node.Name == wanted) ?? throw new CliException($"the cluster has no machine {wanted}; 'stint cluster ls' lists those that it has.");
            if (node.Node.IsGateway) throw new CliException($"{wanted} is a gateway: calls come to it from outside, and only its worker = false keeps them from running on it. Workers can be drained.");
            await store.Nodes.SetDrainingAsync(wanted, !parsed.GetValue(undo), cancellationToken);
            session.Out.WriteLine(parsed.GetValue(undo) ? $"{wanted} gets calls again" : $"{wanted} gets no new calls from now on, within two seconds");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Remove(CliSession session)
    {
        var command = new Command("remove", "Remove a machine for good: a worker's certificate is accepted no more, alive or dead; a gateway must be stopped before. One that is stopped with SIGTERM leaves by itself.");
        var name = new Argument<string>("node") { Description = "Its name, as 'stint cluster ls' has it." };
        command.Arguments.Add(name);
        var read = DaemonFlags.AddTo(command, static setting => setting.Name is "store");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var store = await ClusterStore.OpenAsync(StoreFlags.Load(read(parsed)).Store!, cancellationToken);
            var wanted = parsed.GetRequiredValue(name);
            var node = (await store.Nodes.ListAsync(cancellationToken)).Find(node => node.Node.Name == wanted) ?? throw new CliException($"the cluster has no machine {wanted}; 'stint cluster ls' lists those that it has.");
            if (node.IsAlive && node.Node.IsGateway) throw new CliException($"{wanted} is alive and would come back at once; stop its daemon first.");
            await store.Nodes.RemoveAsync(wanted, cancellationToken);
            session.Out.WriteLine($"removed {PrintableText.Line(wanted)}");
            return ExitCode.Done;
        });
        return command;
    }

    private static NodeView View(NodeState state) => new(state.Node.Name, state.Node.IsGateway ? "gateway" : "worker", state.Node.IsWorker, state.IsAlive, state.IsDraining, state.IsAlive ? 0 : state.SilentFor.TotalSeconds, state.JoinedAt,
        state.Node.Addresses, NodeLabels.Read(state.Node.Labels), NodeReport.FromJson(state.Node.Report));

    private static void Print(CliSession session, List<NodeView> nodes)
    {
        if (nodes.Count == 0)
        {
            session.Out.WriteLine("No machine uses this store. Start one with: stint up --store postgres://USER@HOST/DATABASE");
            return;
        }
        var listing = new Listing("NODE", "ROLE", "STATE", "VERSION", "FUNCTIONS", "INSTANCES", "RUNNING", "MEMORY", "AVAILABLE", "LOAD", "CPUS");
        foreach (var node in nodes)
        {
            var state = node is { IsAlive: true, IsDraining: true } ? new Cell("draining", Tone.Doubtful) : node.IsAlive ? new Cell("alive", Tone.Good) : new Cell($"dead {Figures.Elapsed(node.SilentSeconds)}", Tone.Bad);
            if (node.Report is not { } report) listing.Add(node.Name, node.Role, state, "-", "-", "-", "-", "-", "-", "-", "-");
            else listing.Add(node.Name, node.Role, state, report.Version, Figures.Number(report.Functions), Figures.Number(report.Instances), Figures.Number(Math.Max(report.Running, report.Busy)),
                Figures.Bytes(report.MemoryMiB << 20), Figures.Bytes(report.AvailableMiB << 20), Figures.Number(report.Load), Figures.Number(report.Processors));
        }
        listing.Write(session);
    }
}

/// <summary><c>stint cluster ls --json</c>.</summary>
/// <param name="Nodes">The machines, by name.</param>
internal sealed record NodeListView(IReadOnlyList<NodeView> Nodes);

/// <summary>One machine.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Role">gateway or worker.</param>
/// <param name="RunsFunctions">It runs instances.</param>
/// <param name="IsAlive">It has said something within the last five seconds.</param>
/// <param name="IsDraining">It gets no new calls.</param>
/// <param name="SilentSeconds">How long ago it stopped counting as alive; 0 for one that does.</param>
/// <param name="JoinedAt">When it came.</param>
/// <param name="Addresses">Where gateways reach it.</param>
/// <param name="Labels">What its operator said of it.</param>
/// <param name="Report">What it said last; null when that cannot be read.</param>
internal sealed record NodeView(string Name, string Role, bool RunsFunctions, bool IsAlive, bool IsDraining, double SilentSeconds, DateTimeOffset JoinedAt, string Addresses, Dictionary<string, string> Labels, NodeReport? Report);
