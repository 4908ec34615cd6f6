using System.CommandLine;
using System.Globalization;

namespace Stint.Cli;

/// <summary>
/// The daemon's settings as flags of <c>stint up</c>, and the folders that they default to. The meaning and the checking of the values belong to the daemon;
/// here a flag has a name, a sentence and the form of its value.
/// </summary>
internal static class DaemonFlags
{
    private enum Kind
    {
        Text,
        Number,
        Switch,
    }

    // token-file is missing: it is a flag of every command (GlobalOptions) and passed on from there.
    private static readonly (string Name, Kind Kind, string Help, string[] Values)[] Declared =
    [
        ("registry", Kind.Text, "Folder of the functions. Default /var/lib/stint/functions as root, else ~/.local/share/stint/functions.", []),
        ("state", Kind.Text, "Folder of what the daemon keeps. Default /var/lib/stint/state as root, else ~/.local/share/stint/state.", []),
        ("run", Kind.Text, "Folder of sockets. Default /run/stint as root, else $XDG_RUNTIME_DIR/stint.", []),
        ("listen", Kind.Text, "Addresses of the invocation endpoints, separated by commas. Default all, IPv4 and IPv6.", []),
        ("http-port", Kind.Number, "Port of invocations over HTTP, -1 = off. Default 8000.", []),
        ("coap-port", Kind.Number, "UDP port of invocations over CoAP, -1 = off. Default 5683.", []),
        ("grpc-port", Kind.Number, "Port of invocations over gRPC, -1 = off. Default 9000.", []),
        ("management-port", Kind.Number, "Port of management. Default 8080.", []),
        ("management-listen", Kind.Text, "Addresses of management, separated by commas. Default loopback only.", []),
        ("insecure", Kind.Switch, "No token, even though management listens beyond loopback.", []),
        ("isolation", Kind.Text, "How functions are kept apart from the host. Default sandbox.", ["sandbox", "none"]),
        ("drain-seconds", Kind.Number, "How long running calls may go on after SIGTERM. Default 10.", []),
        ("max-body", Kind.Number, "Largest request body in MiB. Default 64.", []),
        ("max-upload", Kind.Number, "Largest upload of a function in MiB. Default 256.", []),
        ("build-timeout", Kind.Number, "Longest build step in seconds. Default 600.", []),
        ("memory-budget", Kind.Number, "Memory in MiB that all instances together may be promised, 0 = three quarters of the host's. Default 0.", []),
        ("instance-budget", Kind.Number, "Instances of all functions together, 0 = 500. Default 0.", []),
        ("log-level", Kind.Text, "How much the daemon logs. Default info.", ["error", "warn", "info", "debug", "trace"]),
        ("log-format", Kind.Text, "The form of the daemon's log. Default text.", ["text", "json"]),
        ("function-log-size", Kind.Number, "Size in MiB at which a function's log is rotated. Default 4.", []),
        ("python3", Kind.Text, "Interpreter of python3 and binary functions. Default /usr/bin/python3, then PATH.", []),
        ("nodejs", Kind.Text, "Interpreter of nodejs functions. Default /usr/bin/node, then PATH.", []),
    ];

    /// <summary>Declares all flags on a command; the result reads those that were given, by their names without dashes.</summary>
    public static Func<ParseResult, Dictionary<string, string>> AddTo(Command command)
    {
        var readers = new List<(string Name, Func<ParseResult, string?> Read)>();
        foreach (var (name, kind, help, values) in Declared)
        {
            if (kind is Kind.Switch)
            {
                var option = new Option<bool>("--" + name) { Description = help };
                command.Options.Add(option);
                readers.Add((name, parsed => parsed.GetValue(option) ? "true" : null));
                continue;
            }
            var text = new Option<string>("--" + name) { Description = help, HelpName = kind is Kind.Number ? "n" : values.Length > 0 ? string.Join('|', values) : "text" };
            if (values.Length > 0) text.AcceptOnlyFromAmong(values);
            if (kind is Kind.Number)
                text.Validators.Add(result =>
                {
                    if (result.Tokens is [var token] && !int.TryParse(token.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
                        result.AddError($"--{name} wants a whole number, not '{token.Value}'.");
                });
            command.Options.Add(text);
            readers.Add((name, parsed => parsed.GetValue(text)));
        }
        return parsed => readers.Select(reader => (reader.Name, Value: reader.Read(parsed))).Where(flag => flag.Value is not null).ToDictionary(flag => flag.Name, flag => flag.Value!);
    }

    /// <summary>Where the daemon of this user keeps a folder when no flag says otherwise.</summary>
    /// <param name="folder"><c>functions</c> or <c>state</c>.</param>
    public static string DefaultFolder(string folder) => Environment.IsPrivilegedProcess
        ? $"/var/lib/stint/{folder}"
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), ".local/share/stint", folder);
}
