namespace Stint.Functions.Builds;

/// <summary>Reads text line by line without ever holding more than a line's limit of it, so that output without line breaks cannot fill the memory.</summary>
internal static class LinePump
{
    /// <summary>Longer lines are split. In characters; arbitrary, a screenful.</summary>
    private const int MaxLine = 4096;

    /// <summary>Passes each line on until the text ends. <c>\r</c> alone is a line break too: progress bars use it.</summary>
    public static async Task RunAsync(TextReader reader, Action<string> onLine, CancellationToken cancellationToken)
    {
        var buffer = new char[MaxLine];
        var held = 0;
        while (true)
        {
            var read = await reader.ReadAsync(buffer.AsMemory(held), cancellationToken);
            if (read == 0) break;
            held += read;
            var start = 0;
            for (int length; (length = buffer.AsSpan(start, held - start).IndexOfAny('\n', '\r')) >= 0; start += length + 1)
                if (length > 0) onLine(new string(buffer, start, length));
            if (start == 0 && held == MaxLine)
            {
                onLine(new string(buffer));
                held = 0;
                continue;
            }
            buffer.AsSpan(start, held - start).CopyTo(buffer);
            held -= start;
        }
        if (held > 0) onLine(new string(buffer, 0, held));
    }
}
