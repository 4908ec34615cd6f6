using System.Text.Json;
using System.Text.Json.Serialization;
using Stint.Files;

namespace Stint.Events.Schedules;

/// <summary>Until when each schedule has been dealt with: a small file, written anew as a whole. Safe for several threads when its owner is.</summary>
internal sealed partial class ScheduleLog
{
    private const int MaxBytes = 16 * 1024 * 1024;

    private readonly string _path;
    private readonly ILogger _logger;
    private Dictionary<string, DateTimeOffset> _lasts;

    /// <summary>Reads what an earlier run left. A file that cannot be read is set aside: its schedules begin anew.</summary>
    /// <param name="path">The file; its folder is made.</param>
    /// <param name="logger">The daemon's log.</param>
    /// <exception cref="IOException">The folder cannot be made.</exception>
    public ScheduleLog(string path, ILogger logger)
    {
        (_path, _logger) = (path, logger);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        _lasts = Read();
    }

    /// <summary>Until when a schedule has been dealt with; null when it is not known.</summary>
    public DateTimeOffset? Find(string key) => _lasts.TryGetValue(key, out var last) ? last : null;

    /// <summary>Sets what is known, on disk when it returns. A disk that fails is logged: the worst that follows is a run that counts as missed.</summary>
    /// <param name="lasts">By schedule.</param>
    /// <param name="keepOthers">Keep those that are not among them: their functions have not been read yet.</param>
    public void Update(IReadOnlyDictionary<string, DateTimeOffset> lasts, bool keepOthers)
    {
        var updated = keepOthers ? new Dictionary<string, DateTimeOffset>(_lasts) : [];
        foreach (var (key, last) in lasts) updated[key] = last;
        if (updated.Count == _lasts.Count && updated.All(entry => _lasts.TryGetValue(entry.Key, out var known) && known == entry.Value)) return;
        _lasts = updated;
        try
        {
            PrivateFile.Write(_path, JsonSerializer.SerializeToUtf8Bytes(updated, ScheduleJson.Default.DictionaryStringDateTimeOffset));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            NotWritten(_logger, _path, failure.Message);
        }
    }

    private Dictionary<string, DateTimeOffset> Read()
    {
        try
        {
            var file = new FileInfo(_path);
            if (!file.Exists) return [];
            if (file.Length <= MaxBytes)
            {
                using var stream = file.OpenRead();
                return JsonSerializer.Deserialize(stream, ScheduleJson.Default.DictionaryStringDateTimeOffset) ?? [];
            }
        }
        catch (JsonException)
        {
            // set aside below
        }
        File.Move(_path, _path + ".unreadable", overwrite: true);
        SetAside(_logger, _path);
        return [];
    }

    [LoggerMessage(730, LogLevel.Error, "{Path} cannot be written, so runs of schedules may count as missed after a restart: {Problem}")]
    private static partial void NotWritten(ILogger logger, string path, string problem);

    [LoggerMessage(731, LogLevel.Error, "{Path} could not be read and was set aside as {Path}.unreadable; schedules begin anew")]
    private static partial void SetAside(ILogger logger, string path);
}

/// <summary>JSON of the file.</summary>
[JsonSerializable(typeof(Dictionary<string, DateTimeOffset>))]
internal sealed partial class ScheduleJson : JsonSerializerContext;
