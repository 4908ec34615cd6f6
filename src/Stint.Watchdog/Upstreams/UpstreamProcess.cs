using System.Collections;
using Stint.Watchdog.Functions;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;
using Stint.Watchdog.Settings;
using Stint.Watchdog.Telemetry;

namespace Stint.Watchdog.Upstreams;

/// <summary>The process of <c>mode=http</c>: started once, its output logged, its end the watchdog's end.</summary>
internal sealed class UpstreamProcess
{
    private readonly Action _ended;
    private readonly int _input;
    private ChildProcess? _child;
    private LineLog? _output, _errors;

    /// <summary>Starts it.</summary>
    /// <exception cref="InvalidOperationException">It cannot be started; the message says why.</exception>
    public unsafe UpstreamProcess(EventLoop loop, WatchdogSettings settings, IDictionary variables, Action ended)
    {
        _ended = ended;
        // Its standard input stays open and empty: to some programs its end is a reason to stop.
        if (!Pipe.TryMakeInput(out var input) || !Pipe.TryMakeOutput(out var output) || !Pipe.TryMakeOutput(out var errors))
            throw new InvalidOperationException("there are no descriptors left to start fprocess with (ulimit -n)");
        _input = input.Ours;
        _child = ChildProcess.TryStart(loop, new ProcessPlan(settings.Process, variables["PATH"] as string), new CgiEnvironment(variables, headers: false).Inherited,
            input.Theirs, output.Theirs, errors.Theirs, Ended, out var failure) ?? throw new InvalidOperationException(failure);
        foreach (var theirs in (ReadOnlySpan<int>)[input.Theirs, output.Theirs, errors.Theirs]) _ = Libc.close(theirs);
        _output = new LineLog(new Descriptor(loop, output.Ours), [.. "stdout"u8], settings, log: 1);
        _errors = new LineLog(new Descriptor(loop, errors.Ours), [.. "stderr"u8], settings);
        _ = _output.RunAsync(); // both end with the process
        _ = _errors.RunAsync();
    }

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => _child is null or { HasEnded: true };

    /// <summary>Signals its process group.</summary>
    public void Signal(int signal) => _child?.Signal(signal);

    private void Ended()
    {
        _output?.Drain();
        _errors?.Drain();
        _ = Libc.close(_input);
        WatchdogLog.Write($"Forked function has terminated: {_child?.End}");
        _ended();
    }
}
