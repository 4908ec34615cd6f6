using System.Collections;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>What came of reading the daemon's settings.</summary>
/// <param name="Options">The settings, every path absolute; null when there are problems.</param>
/// <param name="Problems">Everything that is wrong, each with its origin: a flag, a variable, a line of the file.</param>
/// <param name="Warnings">What the daemon should log and go on.</param>
/// <param name="File">Path of the file that was read, if there was one.</param>
internal sealed record OptionsReading(DaemonOptions? Options, IReadOnlyList<string> Problems, IReadOnlyList<string> Warnings, string? File);

/// <summary>
/// Puts the daemon's settings together: defaults, under the file, under the environment, under the flags. Reports all that is wrong at once.
/// </summary>
internal static class OptionsLoader
{
    /// <summary>The settings of this process.</summary>
    /// <param name="flags">Flags without their dashes, with their values; a switch without a value has an empty one.</param>
    public static OptionsReading Load(IReadOnlyDictionary<string, string> flags)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables()) environment[(string)variable.Key] = (string?)variable.Value ?? "";
        var isRoot = Environment.IsPrivilegedProcess;
        var file = OptionsFile.Find(flags, environment, isRoot, out var problem);
        var reading = Load(flags, environment, file, isRoot);
        return problem is null ? reading : reading with { Options = null, Problems = [problem, .. reading.Problems] };
    }

    /// <summary>The settings of a process with these flags, this environment, this file.</summary>
    public static OptionsReading Load(IReadOnlyDictionary<string, string> flags, IReadOnlyDictionary<string, string> environment, OptionsFile? file, bool isRoot)
    {
        var problems = new List<string>();
        var warnings = new List<string>();
        var options = new DaemonOptions { Registry = "", State = "", Run = "" };
        if (file is not null) options = ReadFile(options, file, problems);
        options = ReadEnvironment(options, environment, problems, warnings);
        options = ReadFlags(options, flags, problems);
        options = WithDefaultPaths(Rooted(options, Environment.CurrentDirectory), environment, isRoot, problems);
        CheckPorts(options, problems);
        return new OptionsReading(problems.Count == 0 ? options : null, problems, warnings, file?.Path);
    }

    private static DaemonOptions ReadFile(DaemonOptions options, OptionsFile file, List<string> problems)
    {
        var document = TomlDocument.Parse(file.Utf8);
        var found = new List<TomlProblem>(document.Problems);
        Report report = (position, message) => found.Add(document.ProblemAt(position, message));
        options = DaemonOptionTable.File.Read(Ungrouped(document.Root, report), options, report);
        problems.AddRange(found.OrderBy(p => p.Position.Line).ThenBy(p => p.Position.Column).Take(TomlDocument.MaxProblems).Select(p => p.Render(file.Path)));
        return Rooted(options, Path.GetDirectoryName(file.Path)!);
    }

    /// <summary>A table may gather options that begin alike: <c>base</c> in <c>[docker]</c> is <c>docker-base</c>.</summary>
    private static TomlTable Ungrouped(TomlTable root, Report report)
    {
        var flat = new TomlTable();
        foreach (var entry in root)
        {
            var prefix = entry.Key + '-';
            if (entry.Value is TomlTable group && DaemonOptionTable.All.Any(option => option.Name.StartsWith(prefix, StringComparison.Ordinal)))
                foreach (var member in group) Add(member with { Key = prefix + member.Key });
            else
                Add(entry);
        }
        return flat;

        void Add(TomlEntry entry)
        {
            if (!flat.TryAdd(entry)) report(entry.Position, $"`{entry.Key}` is given twice, once by itself and once in a table; remove one of them");
        }
    }

    private static DaemonOptions ReadEnvironment(DaemonOptions options, IReadOnlyDictionary<string, string> environment, List<string> problems, List<string> warnings)
    {
        foreach (var option in DaemonOptionTable.All)
        {
            // An empty variable is as good as none: that is how scripts and unit files unset one.
            foreach (var variable in (IEnumerable<string>)[option.Variable, .. option.OtherVariables])
            {
                if (!environment.TryGetValue(variable, out var text) || text.Length == 0) continue;
                options = option.Setting.Read(options, option.Setting.FromText(text), (_, message) => problems.Add($"{variable}: {message}"));
                break;
            }
        }
        foreach (var name in environment.Keys.Where(k => k.StartsWith("STINT_", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            if (DaemonOptionTable.OtherVariables.Contains(name) || DaemonOptionTable.All.Any(o => o.Variable == name)) continue;
            var near = Suggestion.For(name["STINT_".Length..], DaemonOptionTable.All.Select(o => o.Name));
            warnings.Add($"{name} is no setting of Stint and has no effect{(near is null ? "" : $"; did you mean {DaemonOptionTable.Find(near)!.Variable}?")}");
        }
        return options;
    }

    private static DaemonOptions ReadFlags(DaemonOptions options, IReadOnlyDictionary<string, string> flags, List<string> problems)
    {
        foreach (var (name, text) in flags)
        {
            if (name == DaemonOptionTable.ConfigFlag) continue;
            if (DaemonOptionTable.Find(name) is { } option)
                options = option.Setting.Read(options, option.Setting.FromText(text), (_, message) => problems.Add($"{option.Flag}: {message}"));
            else
                problems.Add($"--{name}: there is no such flag{(Suggestion.For(name, DaemonOptionTable.All.Select(o => o.Name)) is { } near ? $"; did you mean --{near}?" : "")}");
        }
        return options;
    }

    /// <summary>Relative paths made absolute; a second time changes nothing.</summary>
    private static DaemonOptions Rooted(DaemonOptions options, string folder)
    {
        string Root(string path) => path.Length == 0 ? path : Path.GetFullPath(path, folder);
        return options with
        {
            Registry = Root(options.Registry),
            State = Root(options.State),
            Run = Root(options.Run),
            TokenFile = options.TokenFile is { } token ? Root(token) : null,
            FunLessTokenFile = options.FunLessTokenFile is { } tokens ? Root(tokens) : null,
            StoreKey = options.StoreKey is { } key ? Root(key) : null,
            SecretMountPath = Root(options.SecretMountPath),
            Python3 = options.Python3 is { } python ? Root(python) : null,
            NodeJs = options.NodeJs is { } node ? Root(node) : null,
        };
    }

    private static DaemonOptions WithDefaultPaths(DaemonOptions options, IReadOnlyDictionary<string, string> environment, bool isRoot, List<string> problems)
    {
        string data;
        if (isRoot) data = "/var/lib/stint";
        else if (environment.TryGetValue("HOME", out var home) && home.Length > 0) data = Path.Combine(home, ".local/share/stint");
        else
        {
            data = Path.GetTempPath();
            if (options.Registry.Length == 0 || options.State.Length == 0) problems.Add("HOME is not set, so there is no default for the registry and the state; give --registry and --state");
        }
        var state = options.State.Length > 0 ? options.State : Path.Combine(data, "state");
        var run = options.Run.Length > 0 ? options.Run
            : isRoot ? "/run/stint"
            : environment.TryGetValue("XDG_RUNTIME_DIR", out var runtime) && runtime.Length > 0 ? Path.Combine(runtime, "stint")
            : Path.Combine(state, "run");
        return options with
        {
            Registry = options.Registry.Length > 0 ? options.Registry : Path.Combine(data, "functions"),
            State = state,
            Run = run,
            TokenFile = options.TokenFile ?? Path.Combine(state, "token"),
            StoreKey = options.StoreKey ?? Path.Combine(state, "store.key"),
        };
    }

    /// <summary>Endpoints over TCP that would take each other's port; addresses are not compared, since `::` takes all of them.</summary>
    private static void CheckPorts(DaemonOptions options, List<string> problems)
    {
        (string Name, int Port)[] endpoints = [("http-port", options.HttpPort), ("grpc-port", options.GrpcPort), ("unifaas-port", options.UniFaasPort), ("management-port", options.ManagementPort), ("openfaas-metrics-port", options.OpenFaasMetricsPort), ("funless-port", options.FunLessPort), ("node-port", options.Store is not null || options.RunsForGateways() ? options.NodePort : -1)];
        foreach (var same in endpoints.Where(e => e.Port > 0).GroupBy(e => e.Port).Where(g => g.Count() > 1))
            problems.Add($"{string.Join(" and ", same.Select(e => $"`{e.Name}`"))} are both {same.Key}; give each endpoint a port of its own, or -1 to turn it off");
    }
}
