namespace Stint.Functions.Builds;

/// <summary>Passes a build's output on, and remembers its end for the error message. Lines come from one thread at a time.</summary>
internal sealed class BuildOutput(Action<string> onLine)
{
    /// <summary>How many lines an error quotes (issue: "its last 20 lines into the error").</summary>
    public const int TailLines = 20;

    private readonly Queue<string> _tail = new(TailLines);

    /// <summary>Takes the next line.</summary>
    public void Add(string line)
    {
        if (_tail.Count == TailLines) _tail.Dequeue();
        _tail.Enqueue(line);
        onLine(line);
    }

    /// <summary>Whether one of the last lines contains the text.</summary>
    public bool EndsAround(string text) => _tail.Any(line => line.Contains(text, StringComparison.Ordinal));

    /// <summary>The message <paramref name="what"/> followed by the last lines.</summary>
    public string Explain(string what) => _tail.Count == 0 ? $"{what}; it printed nothing" : $"{what}; the last lines of its output:\n{string.Join('\n', _tail)}";
}
