using System.CommandLine;
using System.Globalization;
using Stint.Checks;
using Stint.Functions.Registry;
using Stint.Functions.Specification;
using Stint.Hosting;
using Stint.Hosting.Configuration;
using Stint.Management;
using Stint.Network;

namespace Stint.Cli;

/// <summary><c>stint doctor</c>: what this host can run, and the command that would add the rest.</summary>
internal static class DoctorCommand
{
    /// <summary>How long a daemon may take to say that it is there. Arbitrary: it is on this machine.</summary>
    private static readonly TimeSpan DaemonLimit = TimeSpan.FromSeconds(2);

    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("doctor", "Check what this host can run, and say what would add the rest. Exits with 0 when functions can run, else with 1.");
        // Those that a check looks at; stint.toml and the environment count as well, as for 'up'.
        var read = DaemonFlags.AddTo(command, setting => setting.Name is "registry" or "state" or "python3" or "nodejs" or "backend" or "docker-host" or "qemu" or "firecracker" or "network-subnet" || setting.Name.EndsWith("-port", StringComparison.Ordinal));
        var machines = new Option<bool>("--vm") { Description = "Try virtual machines as well: QEMU and KVM boot a tiny guest." };
        command.Options.Add(machines);
        var json = JsonOption.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var flags = read(parsed);
            foreach (var path in (string[])["registry", "state", "python3", "nodejs", "qemu", "firecracker"])
                if (flags.TryGetValue(path, out var given)) flags[path] = session.FullPath(given);
            var reading = OptionsLoader.Load(flags);
            if (reading.Options is not { } options) throw new CliException(string.Join("\n", reading.Problems), ExitCode.BadConfiguration);
            var daemon = await FindDaemonAsync(parsed, session, globals, cancellationToken);
            var results = await Checkup.RunAsync(new CheckScope
            {
                Registry = options.Registry,
                State = options.State,
                Python3 = options.Python3,
                NodeJs = options.NodeJs,
                WithVirtualMachines = parsed.GetValue(machines),
                Qemu = options.Qemu,
                Firecracker = options.Firecracker,
                NetworkSubnet = options.NetworkSubnet ?? NetworkOptions.DefaultSubnet,
                Ports =
                [
                    new("http-port", options.HttpPort, Transport.Tcp), new("coap-port", options.CoapPort, Transport.Udp), new("grpc-port", options.GrpcPort, Transport.Tcp),
                    new("unifaas-port", options.UniFaasPort, Transport.Tcp), new("management-port", options.ManagementPort, Transport.Tcp),
                    new("funless-port", options.FunLessPort, Transport.Tcp),
                ],
                DockerHost = options.DockerHost,
                IsDockerBackend = options.Backend == RuntimeBackend.Docker,
                IsSwarmBackend = options.Backend == RuntimeBackend.Swarm,
                Containers = ContainerNeeds(options.Registry),
                Variable = session.Variable,
                DaemonPid = daemon?.Pid,
                Time = session.Time,
            }, cancellationToken);
            var canRun = Checkup.CanRunFunctions(results);
            if (parsed.GetValue(json)) CliJson.Write(session, View(results, canRun), CliJson.Default.DoctorView);
            else Print(session, results, canRun);
            return canRun ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }

    /// <summary>Prints findings and the verdict.</summary>
    public static void Print(CliSession session, IReadOnlyList<CheckResult> results, bool canRun)
    {
        var listing = new Listing("CHECK", "STATUS", "FOUND");
        foreach (var result in results) listing.Add(result.Name, Status(result.Status), result.Found);
        listing.Write(session);
        var cures = results.Where(result => result.Cure is not null).ToList();
        if (cures.Count > 0) session.Out.WriteLine("\nWhat helps:");
        // Below the table, whole and on lines of their own, so that they can be copied.
        foreach (var result in cures) session.Out.WriteLine($"  {PrintableText.Line(result.Name)}: {PrintableText.Line(result.Cure)}");
        if (cures.Count > 0) session.Out.WriteLine();
        var degraded = results.Count(result => result.Status is CheckStatus.Degraded);
        var missing = results.Count(result => result.Status is CheckStatus.Missing);
        session.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Functions {(canRun ? "can" : "cannot")} run on this host: {results.Count - degraded - missing} fine, {degraded} degraded, {missing} missing."));
    }

    private static DoctorView View(IReadOnlyList<CheckResult> results, bool canRun) =>
        new(canRun, [.. results.Select(result => new DoctorCheckView(result.Name, Status(result.Status).Text, result.Found, result.Cure, Word(result.Concern)))]);

    private static async Task<DaemonView?> FindDaemonAsync(ParseResult parsed, CliSession session, GlobalOptions globals, CancellationToken cancellationToken)
    {
        using var client = globals.Connect(parsed, session);
        // The doctor looks at this machine; a daemon elsewhere says nothing about it.
        if (!client.Address.IsLoopback) return null;
        using var limit = new CancellationTokenSource(DaemonLimit, session.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        try
        {
            return await client.ReadDaemonAsync(either.Token);
        }
        catch (Exception e) when (e is ManagementException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // No daemon, or none that speaks to us: then its ports are simply in use.
            return null;
        }
    }

    // What cannot be read is the daemon's to report, not ours.
    private static List<ContainerNeed> ContainerNeeds(string registry)
    {
        var needs = new List<ContainerNeed>();
        foreach (var (name, folder) in new RegistryLayout(registry).List().Functions)
            if (FunctionToml.ReadFile(Path.Combine(folder, RegistryLayout.TomlName)).Spec?.Container is { } container) needs.Add(new(name.ToString(), container.Image, container.Runtime));
        return needs;
    }

    private static Cell Status(CheckStatus status) => status switch
    {
        CheckStatus.Fine => new("fine", Tone.Good),
        CheckStatus.Degraded => new("degraded", Tone.Doubtful),
        CheckStatus.Missing => new("missing", Tone.Bad),
    };

    private static string Word(Concern concern) => concern switch
    {
        Concern.Everything => "everything",
        Concern.Python3 => "python3",
        Concern.NodeJs => "nodejs",
        Concern.Containers => "containers",
        Concern.Comfort => "comfort",
    };
}
