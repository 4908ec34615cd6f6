using Stint.Backends.Processes.Spawning;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Processes;

/// <summary>What an instance prints, on its way to the function's log; the last lines are kept for the message when it does not get ready.</summary>
internal sealed class InstanceOutput
{
    private readonly Queue<string> _tail = new();
    private readonly int _tailLines;
    private readonly LineSplitter _out;
    private readonly LineSplitter _error;

    /// <summary>Connects an instance's output with the log.</summary>
    public InstanceOutput(FunctionName function, string instance, FunctionLogs logs, int tailLines)
    {
        _tailLines = tailLines;
        _out = new LineSplitter(text => Add("stdout", text));
        _error = new LineSplitter(text => Add("stderr", text));

        void Add(string stream, string text)
        {
            logs.Append(function, instance, stream, text);
            lock (_tail)
            {
                if (_tail.Count == _tailLines) _tail.Dequeue();
                _tail.Enqueue(text);
            }
        }
    }

    /// <summary>Takes a piece; called by the spawner's thread only.</summary>
    public void Take(OutputStream stream, ReadOnlySpan<byte> piece) => (stream == OutputStream.Out ? _out : _error).Take(piece);

    /// <summary>The message, and under it what was printed last.</summary>
    public string WithTail(string message)
    {
        lock (_tail) return _tail.Count == 0 ? message : $"{message}\n{string.Join('\n', _tail)}";
    }
}
