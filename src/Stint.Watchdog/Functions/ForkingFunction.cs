using System.Collections;
using Stint.Watchdog.Http;
using Stint.Watchdog.Settings;

namespace Stint.Watchdog.Functions;

/// <summary>A function that is a process per request: its input is the body, its output the answer.</summary>
internal sealed class ForkingFunction(WatchdogSettings settings, IDictionary variables) : IAnswerer
{
    /// <summary>The settings of the watchdog.</summary>
    public WatchdogSettings Settings => settings;

    /// <summary>What is run.</summary>
    public ProcessPlan Plan { get; } = new(settings.Process, variables["PATH"] as string);

    /// <summary>What its environment is.</summary>
    public CgiEnvironment Environment { get; } = new(variables, settings.CgiHeaders);

    /// <summary>Standard input of processes whose request has no body.</summary>
    public int Nothing { get; } = Posix.Libc.Check(Posix.Libc.open("/dev/null", Posix.Libc.CloseOnExec, 0), "/dev/null");

    /// <inheritdoc/>
    public ValueTask AnswerAsync(Exchange exchange) => new ForkedCall(exchange, this).RunAsync();
}
