using System.CommandLine;

namespace Stint.Cli;

/// <summary><c>stint worker</c>: a machine that runs what gateways send, in the foreground.</summary>
internal static class WorkerCommand
{
    // What only a daemon has that takes calls itself.
    private static readonly HashSet<string> GatewaysOnly =
        ["store", "store-key", "worker", "scheduling", "store-on-create", "registry", "listen", "http-port", "coap-port", "coap-multicast", "grpc-port", "grpc-max-message", "unifaas-port", "openfaas-metrics-port", "funless-port", "funless-auth", "funless-token-file", "node-name", "labels", "join-token"];

    /// <summary>Declares the command; <paramref name="up"/> does the work.</summary>
    public static Command Build(UpAction up, GlobalOptions globals)
    {
        var command = new Command("worker", "Run functions for the gateways of a cluster, in the foreground until Ctrl-C. --token is the join token (stint cluster token, on a gateway), or a file that holds it: needed at the first start alone.");
        var name = new Option<string>("--name", "--node-name") { Description = "This machine's name in the cluster. Default: the host's.", HelpName = "name" };
        var labels = KeyValueOption.Create("--label", "name=value", "Something to say of this machine; may be repeated.");
        var config = new Option<string>("--config") { Description = "The configuration file.", HelpName = "path" };
        command.Options.Add(name);
        command.Options.Add(labels);
        command.Options.Add(config);
        var read = DaemonFlags.AddTo(command, static setting => !GatewaysOnly.Contains(setting.Name));
        command.SetAction((parsed, cancellationToken) =>
        {
            var flags = read(parsed);
            if (parsed.GetValue(name) is { } given) flags["node-name"] = given;
            if (parsed.GetValue(labels) is { Length: > 0 } said) flags["labels"] = string.Join(',', said);
            if (parsed.GetValue(config) is { } path) flags["config"] = path;
            if (globals.Token(parsed) is { } token) flags["join-token"] = token;
            if (globals.TokenFile(parsed) is { } tokenFile) flags["token-file"] = tokenFile;
            if (StoreFlags.IsWithoutCore(flags)) throw new CliException("whose worker? Give --core HOST:PORT (a gateway's node-port, 8943 as a rule), or STINT_CORE in the environment.", ExitCode.Usage);
            return up(flags, false, cancellationToken);
        });
        return command;
    }
}
