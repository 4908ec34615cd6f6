using System.CommandLine;
using System.Globalization;
using Stint.Management;

namespace Stint.Cli;

/// <summary><c>stint describe NAME</c>: all there is to know about one function.</summary>
internal static class DescribeCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("describe", "Show one function: settings, figures, instances, and why it does not run.");
        var name = FunctionNameArgument.One(session);
        command.Arguments.Add(name);
        var json = JsonOption.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var function = await client.DescribeAsync(parsed.GetRequiredValue(name), cancellationToken);
            if (parsed.GetValue(json)) CliJson.Write(session, function, CliJson.Default.FunctionDetailView);
            else Print(session, function);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(CliSession session, FunctionDetailView function)
    {
        Line("name", function.FullName);
        Line("runtime", function.Runtime);
        if (function.Image.Length > 0) Line("image", function.ContainerRuntime.Length == 0 ? function.Image : $"{function.Image}, run by {function.ContainerRuntime}");
        if (function.Kernel.Length > 0) Line("kernel", $"{function.Kernel}, run by {function.Hypervisor}");
        Line("state", function.State);
        // A build's output has many lines.
        if (function.Why is { } why) Line("why", why.ReplaceLineEndings(" "));
        if (function.NextRetryAt is { } retry) Line("next try", Figures.Moment(retry));
        foreach (var problem in function.Problems.Where(problem => problem != function.Why)) Line("problem", problem);
        Line("version", function.Version.Length == 0 ? "none serves" : $"{function.Version}, deployed {Figures.Moment(function.DeployedAt)}");
        if (function.NextVersion.Length > 0) Line("next", $"{function.NextVersion}, its instances are starting");
        if (function.Folder.Length > 0) Line("folder", function.Folder);
        Line("limits", string.Create(CultureInfo.InvariantCulture,
            $"{function.MemoryMiB} MiB memory, {(function.Cpus > 0 ? Figures.Number(function.Cpus) : "any")} cpus, {(function.Pids > 0 ? $"{function.Pids} processes, " : "")}network {function.Network}, {Figures.Number(function.TimeoutSeconds)} s per call"));
        if (function.NetworkProblem.Length > 0) Line("network", $"none, although it should have one: {function.NetworkProblem}");
        Line("instances", string.Create(CultureInfo.InvariantCulture,
            $"{function.MinInstances} to {function.MaxInstances}, {Figures.Count(function.ConcurrentRequests, "call")} at a time each, kept {KeptFor(function.KeepaliveSeconds)}"));
        if (function.Env.Count > 0) Line("env", string.Join(", ", function.Env));
        if (function.Labels.Count > 0) Line("labels", string.Join(", ", function.Labels.Select(label => $"{label.Key}={label.Value}")));
        Line("calls", string.Create(CultureInfo.InvariantCulture,
            $"{function.Requests}, {Figures.Count((int)Math.Min(function.Errors, int.MaxValue), "error")}, {Figures.Count((int)Math.Min(function.ColdStarts, int.MaxValue), "cold start")}, {function.Queue} waiting"));
        if (function.StartFailures + function.Deaths + function.Replaced > 0)
            Line("failures", string.Create(CultureInfo.InvariantCulture, $"{Figures.Count((int)Math.Min(function.StartFailures, int.MaxValue), "failed start")}, {function.Deaths} died, {function.Replaced} killed for breaking the contract, holding on to a call or not answering a probe"));
        foreach (var e in function.Events) Line("event", $"{e.Description}: {e.State}{(e.Next is { } next ? $", next {Figures.Moment(next)}" : "")}");
        if (function.Events.Count > 0) Line("events", string.Create(CultureInfo.InvariantCulture, $"{function.EventsAccepted} became calls, {function.EventsRejected} rejected, {function.EventsLost} lost"));
        foreach (var sink in function.Sinks) Line("sink", sink.Description);
        if (function.Sinks.Count + function.DeliveriesWaiting + function.DeliveriesDead > 0)
            Line("results", string.Create(CultureInfo.InvariantCulture, $"{function.DeliveriesWaiting} on their way, {function.DeliveriesDead} undeliverable{(function.DeliveriesDead > 0 ? " (stint async ls --dead)" : "")}"));
        Line("duration", $"p50 {Figures.Seconds(function.P50Seconds)}, p99 {Figures.Seconds(function.P99Seconds)}");
        if (function.InstanceList.Count == 0) return;
        session.Out.WriteLine();
        var listing = new Listing("INSTANCE", "STATE", "CALLS", "STARTED", "LAST USED", "VERSION", "MEMORY");
        foreach (var instance in function.InstanceList)
            listing.Add(instance.Id, LsCommand.State(instance.State), instance.InFlight.ToString(CultureInfo.InvariantCulture), Figures.Moment(instance.StartedAt),
                Figures.Moment(instance.LastUsedAt), instance.Version, Figures.Bytes(instance.MemoryBytes));
        listing.Write(session);

        void Line(string label, string value) => session.Out.WriteLine($"{label,-10} {PrintableText.Line(value)}");
    }

    private static string KeptFor(double seconds) => seconds switch
    {
        < 0 => "for ever",
        0 => "for one call",
        _ => $"idle for {Figures.Number(seconds)} s",
    };
}
