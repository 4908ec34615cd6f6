// The messages of the QEMU Machine Protocol (docs/interop/qmp-spec.txt, qapi/*.json) that we use.
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Stint.Backends.Vms.Qemu;

/// <summary>A command.</summary>
/// <param name="Execute">Its name.</param>
/// <param name="Arguments">Its arguments, when it has any.</param>
/// <param name="Id">Comes back in the answer.</param>
internal sealed record QmpRequest(string Execute, JsonElement? Arguments, long Id);

/// <summary>Anything that QEMU sends: greeting, answer or event.</summary>
internal sealed record QmpMessage
{
    /// <summary>Of the greeting.</summary>
    [JsonPropertyName("QMP")]
    public JsonElement? Greeting { get; init; }

    /// <summary>Of an answer.</summary>
    public long? Id { get; init; }

    /// <summary>A command's result.</summary>
    public JsonElement? Return { get; init; }

    /// <summary>Why a command failed.</summary>
    public QmpError? Error { get; init; }

    /// <summary>An event's name.</summary>
    public string? Event { get; init; }

    /// <summary>What it comes with.</summary>
    public JsonElement? Data { get; init; }
}

/// <summary>Why a command failed.</summary>
internal sealed record QmpError
{
    /// <summary>The error's kind, <c>GenericError</c> mostly.</summary>
    [JsonPropertyName("class")]
    public string Kind { get; init; } = "";

    /// <summary>In words.</summary>
    [JsonPropertyName("desc")]
    public string Description { get; init; } = "";
}

/// <summary>Of the event <c>SHUTDOWN</c>.</summary>
/// <param name="Reason"><c>guest-shutdown</c>, <c>guest-reset</c>, <c>guest-panic</c>, <c>host-qmp-quit</c>, …</param>
internal sealed record ShutdownData(string? Reason);

/// <summary>Of <c>query-status</c>.</summary>
/// <param name="Status"><c>running</c>, <c>paused</c>, <c>inmigrate</c>, …</param>
internal sealed record RunState(string? Status);

/// <summary>Of <c>migrate</c> and <c>migrate-incoming</c>.</summary>
internal sealed record MigrationTarget(string Uri);

/// <summary>Of <c>migrate-set-parameters</c>.</summary>
internal sealed record MigrationParameters
{
    /// <summary>Bytes a second. QEMU's default is that of a network.</summary>
    [JsonPropertyName("max-bandwidth")]
    public long MaxBandwidth { get; init; }
}

/// <summary>Of <c>query-migrate</c>.</summary>
internal sealed record MigrationInfo
{
    /// <summary><c>active</c>, <c>completed</c>, <c>failed</c>, …</summary>
    public string? Status { get; init; }

    /// <summary>Why it failed.</summary>
    [JsonPropertyName("error-desc")]
    public string? Error { get; init; }
}

/// <summary>Names and types for the serializer.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(QmpRequest))]
[JsonSerializable(typeof(QmpMessage))]
[JsonSerializable(typeof(ShutdownData))]
[JsonSerializable(typeof(RunState))]
[JsonSerializable(typeof(MigrationTarget))]
[JsonSerializable(typeof(MigrationParameters))]
[JsonSerializable(typeof(MigrationInfo))]
internal sealed partial class QmpJson : JsonSerializerContext;
