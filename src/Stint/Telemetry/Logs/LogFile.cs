using System.Text.Json;

namespace Stint.Telemetry.Logs;

/// <summary>One function's file. Not for several threads.</summary>
internal sealed class LogFile : IDisposable
{
    private readonly string _path;
    private readonly long _maxSize;
    private FileStream _stream;

    /// <summary>Opens the file for appending, making its folder when needed.</summary>
    public LogFile(string path, long maxSize)
    {
        (_path, _maxSize) = (path, maxSize);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        _stream = Open();
    }

    /// <summary>Appends one line.</summary>
    public void Write(ReadOnlySpan<byte> line)
    {
        if (_stream.Length + line.Length > _maxSize) Rotate();
        _stream.Write(line);
        _stream.WriteByte((byte)'\n');
    }

    /// <summary>Hands what was written to the operating system.</summary>
    public void Flush() => _stream.Flush();

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    /// <summary>The lines of a file; none when it does not exist. A line cut short by a crash is passed over.</summary>
    public static IEnumerable<LogLine> Read(string path)
    {
        if (!File.Exists(path)) yield break;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } text)
        {
            LogLine? line = null;
            try
            {
                line = JsonSerializer.Deserialize(text, LogJson.Default.LogLine);
            }
            catch (JsonException)
            {
                // The end of a line that a crash cut short.
            }
            if (line is not null) yield return line;
        }
    }

    private FileStream Open() => new(_path, new FileStreamOptions
    {
        Mode = FileMode.Append,
        Access = FileAccess.Write,
        Share = FileShare.ReadWrite | FileShare.Delete,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });

    private void Rotate()
    {
        _stream.Dispose();
        File.Move(_path, _path + ".1", overwrite: true);
        _stream = Open();
    }
}
