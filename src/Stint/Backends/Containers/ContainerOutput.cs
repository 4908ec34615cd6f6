using Stint.Backends.Containers.Engine;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Containers;

/// <summary>What a container prints, on its way to the function's log; the last lines are kept for the message when it does not get ready.</summary>
internal sealed class ContainerOutput(FunctionName function, string instance, FunctionLogs logs)
{
    private const int TailLines = 10;

    private readonly Queue<string> _tail = new();

    /// <summary>Takes a line.</summary>
    public void Take(OutputKind kind, string line)
    {
        logs.Append(function, instance, kind == OutputKind.Stdout ? "stdout" : "stderr", line);
        lock (_tail)
        {
            if (_tail.Count == TailLines) _tail.Dequeue();
            _tail.Enqueue(line);
        }
    }

    /// <summary>The message, and under it what was printed last.</summary>
    public string WithTail(string message)
    {
        lock (_tail) return _tail.Count == 0 ? message : $"{message}\n{string.Join('\n', _tail)}";
    }
}
