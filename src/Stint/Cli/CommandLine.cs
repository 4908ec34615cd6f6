using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using Stint.Backends.Containers.Engine;
using Stint.Cluster.Store;
using Stint.Functions.Toml.Settings;
using Stint.Management;

namespace Stint.Cli;

/// <summary>Runs the daemon until it is told to stop; the result is the exit code.</summary>
/// <param name="flags">The settings that were given as flags, by name without dashes, in the spelling of <c>stint.toml</c>; <c>config</c> is the path of that file.</param>
/// <param name="examples">Deploy the examples and print how to call them.</param>
internal delegate Task<int> UpAction(IReadOnlyDictionary<string, string> flags, bool examples, CancellationToken cancellationToken);

/// <summary>The command tree, and the one place where failures become messages and exit codes.</summary>
internal static class CommandLine
{
    /// <summary>Parses and runs; the result is the exit code. SIGINT and SIGTERM cancel, a second one kills.</summary>
    public static async Task<int> RunAsync(string[] args, UpAction up)
    {
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await RunAsync(args, up, CliSession.OfProcess(), stop.Token);

        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }
    }

    /// <summary>Parses and runs in a given session.</summary>
    public static async Task<int> RunAsync(string[] args, UpAction up, CliSession session, CancellationToken cancellationToken)
    {
        var globals = new GlobalOptions();
        var parsed = Build(up, session, globals).Parse(args is [] ? ["--help"] : args, new ParserConfiguration
        {
            // '@file' is the data of an invocation here, not a file with more arguments.
            ResponseFileTokenReplacer = null,
        });
        session.NoColor = globals.NoColor(parsed);
        if (parsed is { Action: ParseErrorAction, Errors: [_, ..] errors })
        {
            if (parsed.CommandResult.Command is RootCommand root && parsed.UnmatchedTokens is [var unknown, ..]) session.Fail($"there is no command '{unknown}'.{(Suggestion.For(unknown, root.Subcommands.Select(command => command.Name)) is { } near ? $" Did you mean '{near}'?" : "")}");
            else foreach (var error in errors) session.Fail(error.Message);
            session.Error.WriteLine($"Try '{Path(parsed.CommandResult.Command)} --help'.");
            return ExitCode.Usage;
        }
        try
        {
            // Signals are ours (above): System.CommandLine would kill a draining daemon after two seconds.
            var configuration = new InvocationConfiguration
            {
                Output = session.Out, Error = session.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null,
            };
            return await parsed.InvokeAsync(configuration, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (CliException e)
        {
            session.Fail(e.Message);
            return e.ExitCode;
        }
        catch (ManagementException e)
        {
            session.Fail(e.Message);
            return ExitCodeOf(e);
        }
        catch (EngineException e)
        {
            session.Fail(e.Message);
            return e.Fault is EngineFault.NoPermission ? ExitCode.Denied : e.IsEngineAway ? ExitCode.Unreachable : ExitCode.Failed;
        }
        catch (StoreException e)
        {
            session.Fail(e.Message);
            return e.Fault switch { StoreFault.Away => ExitCode.Unreachable, StoreFault.Denied => ExitCode.Denied, _ => ExitCode.Failed };
        }
        catch (IOException e) when (e.HResult == BrokenPipe)
        {
            // `stint logs -f | head`: the reader has seen enough.
            return ExitCode.Done;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            session.Fail(e.Message);
            return e is UnauthorizedAccessException ? ExitCode.Denied : ExitCode.Failed;
        }
    }

    /// <summary>The command tree.</summary>
    public static RootCommand Build(UpAction up, CliSession session, GlobalOptions globals)
    {
        var root = new RootCommand("Functions as a service on your own machine: 'stint up' starts the platform, the other commands speak to it.");
        // Without the aliases of another system's command lines.
        root.Options.Remove(root.Options.OfType<HelpOption>().Single());
        root.Options.Add(new HelpOption("--help", "-h"));
        globals.AddTo(root);
        root.Subcommands.Add(UpCommand.Build(up, globals));
        root.Subcommands.Add(WorkerCommand.Build(up, globals));
        root.Subcommands.Add(DeployCommand.Build(session, globals));
        root.Subcommands.Add(InvokeCommand.Build(session, globals));
        root.Subcommands.Add(LsCommand.Build(session, globals));
        root.Subcommands.Add(DescribeCommand.Build(session, globals));
        root.Subcommands.Add(TopCommand.Build(session, globals));
        root.Subcommands.Add(LogsCommand.Build(session, globals));
        root.Subcommands.Add(AsyncCommand.Build(session, globals));
        root.Subcommands.Add(NotifyCommand.Build(session, globals));
        root.Subcommands.Add(RmCommand.Build(session, globals));
        root.Subcommands.Add(WipeCommand.Build(session, globals));
        root.Subcommands.Add(TokenCommand.Build(session, globals));
        root.Subcommands.Add(NewCommand.Build(session));
        root.Subcommands.Add(ImageCommand.Build(session));
        root.Subcommands.Add(VmCommand.Build(session));
        root.Subcommands.Add(ClusterCommand.Build(session));
        root.Subcommands.Add(StoreCommand.Build(session));
        root.Subcommands.Add(DoctorCommand.Build(session, globals));
        root.Subcommands.Add(VersionCommand.Build(session));
        root.Subcommands.Add(CompletionCommand.Build(session));
        return root;
    }

    /// <summary>What a failed management call exits with.</summary>
    public static int ExitCodeOf(ManagementException e) => e.Failure switch
    {
        ManagementFailure.Unreachable => ExitCode.Unreachable,
        ManagementFailure.Denied => ExitCode.Denied,
        ManagementFailure.Refused => ExitCodeOf(e.Code),
        ManagementFailure.Broken => ExitCode.Failed,
    };

    /// <summary>What an error of the API exits with.</summary>
    public static int ExitCodeOf(string errorCode) => errorCode is ErrorView.BadConfiguration ? ExitCode.BadConfiguration : ExitCode.Failed;

    // EPIPE, as .NET puts it into an IOException on Unix.
    private const int BrokenPipe = 32;

    private static string Path(Command command) =>
        command is RootCommand ? "stint" : $"{Path(command.Parents.OfType<Command>().First())} {command.Name}";
}
