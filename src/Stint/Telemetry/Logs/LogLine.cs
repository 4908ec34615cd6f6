using System.Text.Json.Serialization;

namespace Stint.Telemetry.Logs;

/// <summary>One line of a function's log.</summary>
/// <param name="Time">When the daemon received it.</param>
/// <param name="Function">The function's full name.</param>
/// <param name="Instance">The instance that wrote it; empty for the daemon's own words.</param>
/// <param name="Stream">stdout, stderr, build, or system (the daemon's own words).</param>
/// <param name="Text">The line, without its end.</param>
internal sealed record LogLine(DateTimeOffset Time, string Function, string Instance, string Stream, string Text);

/// <summary>JSON of log lines: one object a line in the log files and in <c>/stint/v1/logs</c>.</summary>
[JsonSerializable(typeof(LogLine))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class LogJson : JsonSerializerContext;
