using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Stint.Invocations;
using Stint.Management;

namespace Stint.Cli;

/// <summary>
/// <c>stint deploy DIR</c>: reads the folder (<see cref="FunctionSource"/>), puts what the flags say over its settings (<see cref="TomlEdit"/>), packs the code
/// (<see cref="CodeArchive"/>), sends both, and shows the build as it goes.
/// </summary>
internal static class DeployCommand
{
    /// <summary>Lines of a failed build that are shown; the log has all. The daemon's own error messages carry as many.</summary>
    private const int OutputTail = 20;

    /// <summary>Stands for the table of the function's backend.</summary>
    private const string Limits = "*";

    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("deploy", "Deploy a folder: function.toml and code/, a virtual machine's files or, for a container, nothing else; or plain code whose runtime is detected; or a single .wasm file. Flags stand above the file. The old version serves until the new one is built.");
        var folder = new Argument<string>("dir") { Description = "The function's folder, or a .wasm file." };
        var name = Named(new Option<string>("--name") { Description = "Name of the function. Default: that of the folder, or of the file.", HelpName = "name" });
        var module = Named(new Option<string>("--module") { Description = "Its module. Default: _.", HelpName = "name" });
        var runtime = new Option<string>("--runtime") { Description = "The language: python3, nodejs or binary.", HelpName = "name" };
        runtime.AcceptOnlyFromAmong("python3", "nodejs", "binary");
        var env = KeyValueOption.Create("--env", "K=V", "An environment variable; may be repeated.");
        var label = KeyValueOption.Create("--label", "K=V", "A label; may be repeated.");
        Setting[] settings =
        [
            Whole("--memory", "mib", Limits, "memory", "Memory of one instance in MiB."),
            new(Checked<double?>(new Option<double?>("--cpus") { Description = "Cores that one instance may use; 0 = no limit.", HelpName = "n" }), Limits, "cpus"),
            new(Checked<double?>(new Option<double?>("--timeout") { Description = "Longest call in seconds.", HelpName = "seconds" }), "", "timeout"),
            Whole("--concurrency", "n", "", "concurrent-requests", "Calls that one instance serves at a time."),
            Whole("--min-instances", "n", "", "min-instances", "Instances that are kept warm."),
            Whole("--max-instances", "n", "", "max-instances", "Most instances at a time."),
        ];
        var backend = new Option<string>("--backend") { Description = "vm: make a virtual machine of a python3, nodejs or binary function here, and deploy that. Default: the function runs as its file says.", HelpName = "name" };
        backend.AcceptOnlyFromAmong("vm");
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Show the build's output." };
        command.Arguments.Add(folder);
        foreach (var option in (Option[])[name, module, runtime, .. settings.Select(setting => setting.Option), env, label, backend]) command.Options.Add(option);
        var machine = LocalVmImage.AddTo(command);
        command.Options.Add(verbose);
        var json = JsonOption.AddTo(command, "Print the deployed function as JSON.");

        command.SetAction(async (parsed, cancellationToken) =>
        {
            var path = session.FullPath(parsed.GetRequiredValue(folder));
            var source = FunctionSource.Read(path, parsed.GetValue(runtime));
            var toml = new TomlEdit(source.Toml);
            if (parsed.GetValue(runtime) is { } language) toml.Set("process", "runtime", TomlEdit.Quote(language));
            foreach (var setting in settings)
                if (Value(parsed, setting.Option) is { } value) toml.Set(setting.Table == Limits ? source.Backend : setting.Table, setting.Key, value);
            foreach (var (key, value) in KeyValueOption.Read(parsed, env)) toml.Set("env", key, TomlEdit.Quote(value));
            foreach (var (key, value) in KeyValueOption.Read(parsed, label)) toml.Set("labels", key, TomlEdit.Quote(value));

            using var made = new TemporaryFolder("stint-vm-");
            if (parsed.GetValue(backend) is null)
            {
                if (machine.FirstGiven(parsed) is { } flag) throw new CliException($"{flag} is for virtual machines: say --backend vm as well, or leave it out.", ExitCode.Usage);
            }
            else
            {
                await machine.MakeAsync(session, parsed, toml.ToString(), source.CodeFolder, made.Path, parsed.GetValue(verbose), cancellationToken);
                source = FunctionSource.OfMachine(made.Path);
                toml = new TomlEdit(source.Toml);
            }

            using var client = globals.Connect(parsed, session);
            var target = Target(path, parsed.GetValue(name), parsed.GetValue(module));
            await using var code = source.CodeFolder is { } codeFolder ? await CodeArchive.PackAsync(codeFolder, source.HasNodeDependencies(), source.Files, cancellationToken) : null;
            var started = session.Time.GetTimestamp();
            var function = await ShowAsync(session, target, client.DeployAsync(target, toml.ToString(), code, cancellationToken), parsed.GetValue(verbose));
            if (parsed.GetValue(json))
            {
                CliJson.Write(session, function, CliJson.Default.FunctionView);
                return ExitCode.Done;
            }
            var took = Figures.Seconds(session.Time.GetElapsedTime(started).TotalSeconds);
            session.Out.WriteLine($"deployed {target}, version {PrintableText.Line(function.Version)}, in {took}. Call it: stint invoke {target}");
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>The full name: flags first, then the folder's own name.</summary>
    private static string Target(string path, string? name, string? module)
    {
        name ??= FunctionSource.IsModule(path) && File.Exists(path) ? Path.GetFileNameWithoutExtension(path) : Path.GetFileName(Path.TrimEndingDirectorySeparator(path));
        return FunctionName.TryCreate(module ?? FunctionName.DefaultModule, name, out var full)
            ? full.ToString()
            : throw new CliException($"the name '{name}' cannot be a function's: {FunctionName.Rule}. Say another with --name.", ExitCode.Usage);
    }

    /// <summary>Shows the events of a deployment: a line that moves on a terminal, nothing elsewhere but with <paramref name="verbose"/>.</summary>
    /// <exception cref="CliException">It failed; the tail of the build's output has been shown.</exception>
    private static async Task<FunctionView> ShowAsync(CliSession session, string target, IAsyncEnumerable<DeployEventView> events, bool verbose)
    {
        var console = session.ErrorConsole();
        if (!console.Profile.Capabilities.Interactive) return await FollowAsync(text => Print(verbose, text));
        // Status draws over its own line only; what is written through the same console scrolls above it.
        return await console.Status().Spinner(Spinner.Known.Dots).StartAsync($"Sending {target}", status => FollowAsync(text => status.Status = Markup.Escape(PrintableText.Line(text))));

        void Print(bool wanted, string text)
        {
            if (wanted) session.Error.WriteLine(PrintableText.Line(text));
        }

        async Task<FunctionView> FollowAsync(Action<string> step)
        {
            var tail = new Queue<string>();
            await foreach (var happened in events)
            {
                switch (happened.Event)
                {
                    case "step":
                        step(happened.Text ?? "");
                        break;
                    case "output":
                        if (verbose) console.WriteLine(PrintableText.Line(happened.Text));
                        else tail.Enqueue(happened.Text ?? "");
                        if (tail.Count > OutputTail) tail.Dequeue();
                        break;
                    case "deployed" when happened.Function is { } function:
                        return function;
                    case "failed":
                        foreach (var line in tail) console.WriteLine("  " + PrintableText.Line(line));
                        throw new CliException($"{target} was not deployed: {happened.Error?.Message ?? "the daemon gave no reason"}", CommandLine.ExitCodeOf(happened.Error?.Code ?? ""));
                }
            }
            throw new CliException($"the daemon broke off while it deployed {target}. See its log, then try again; until then the old version serves.");
        }
    }

    /// <summary>A flag that sets a key of <c>function.toml</c>.</summary>
    private sealed record Setting(Option Option, string Table, string Key);

    private static Setting Whole(string flag, string helpName, string table, string key, string description) =>
        new(Checked<int?>(new Option<int?>(flag) { Description = description, HelpName = helpName }), table, key);

    private static Option<T> Checked<T>(Option<T> option)
    {
        // Ranges are the daemon's to check, with the file's rules; a number below zero would not even be the flag's.
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && double.TryParse(token.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && !(number >= 0 && double.IsFinite(number)))
                result.AddError($"{option.Name} wants a number, 0 or more, not '{token.Value}'.");
        });
        return option;
    }

    private static string? Value(ParseResult parsed, Option option) => option switch
    {
        Option<int?> whole => parsed.GetValue(whole)?.ToString(CultureInfo.InvariantCulture),
        Option<double?> real => parsed.GetValue(real)?.ToString("0.##########", CultureInfo.InvariantCulture),
        _ => null,
    };

    private static Option<string> Named(Option<string> option)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !FunctionName.IsValidPart(token.Value)) result.AddError($"{option.Name} cannot be '{token.Value}': {FunctionName.Rule}.");
        });
        return option;
    }
}
