using System.Text.Json.Serialization;

namespace Stint.Dialects.OpenFaas;

/// <summary>Body of <c>POST</c> and <c>PUT /system/functions</c>; what a client leaves out is null.</summary>
internal sealed record FaasDeployment
{
    public string? Service { get; init; }

    public string? Image { get; init; }

    public string? Namespace { get; init; }

    public string? EnvProcess { get; init; }

    public Dictionary<string, string>? EnvVars { get; init; }

    public IReadOnlyList<string>? Constraints { get; init; }

    public IReadOnlyList<string>? Secrets { get; init; }

    public Dictionary<string, string>? Labels { get; init; }

    public Dictionary<string, string>? Annotations { get; init; }

    public FaasResources? Limits { get; init; }

    public FaasResources? Requests { get; init; }

    public bool ReadOnlyRootFilesystem { get; init; }
}

/// <summary>Memory and processors, as text.</summary>
internal sealed record FaasResources(string? Memory, string? Cpu);

/// <summary>What <c>/system/functions</c> and <c>/system/function/NAME</c> say of a function.</summary>
internal sealed record FaasStatus
{
    public required string Name { get; init; }

    public required string Image { get; init; }

    public required string Namespace { get; init; }

    public string? EnvProcess { get; init; }

    public IReadOnlyDictionary<string, string>? EnvVars { get; init; }

    public IReadOnlyList<string>? Constraints { get; init; }

    public IReadOnlyList<string>? Secrets { get; init; }

    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    public FaasResources? Limits { get; init; }

    public FaasResources? Requests { get; init; }

    public bool ReadOnlyRootFilesystem { get; init; }

    public long InvocationCount { get; init; }

    /// <summary>Instances that are there or starting.</summary>
    public int Replicas { get; init; }

    /// <summary>Instances that are ready.</summary>
    public int AvailableReplicas { get; init; }

    public DateTimeOffset? CreatedAt { get; init; }

    public FaasUsage? Usage { get; init; }
}

/// <summary>What all instances of a function use.</summary>
/// <param name="Cpu">Thousandths of a processor, on average since their starts.</param>
/// <param name="TotalMemoryBytes">Resident memory.</param>
internal sealed record FaasUsage(double Cpu, long TotalMemoryBytes);

/// <summary>Body of <c>DELETE /system/functions</c>.</summary>
internal sealed record FaasRemoval(string? FunctionName, string? Namespace);

/// <summary>Body of <c>POST /system/scale-function/NAME</c>.</summary>
internal sealed record FaasScaling(string? ServiceName, int? Replicas, string? Namespace);

/// <summary>A secret; lists have names only.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Namespace">Where.</param>
/// <param name="Value">As text.</param>
/// <param name="RawValue">As bytes, base64; counts before <paramref name="Value"/>.</param>
internal sealed record FaasSecret(string? Name, string? Namespace, string? Value = null, byte[]? RawValue = null);

/// <summary>A namespace.</summary>
internal sealed record FaasNamespace(string? Name, Dictionary<string, string>? Annotations, Dictionary<string, string>? Labels);

/// <summary>A line of <c>/system/logs</c>.</summary>
internal sealed record FaasLogLine(string Name, string Namespace, string Instance, DateTimeOffset Timestamp, string Text);

/// <summary>A version.</summary>
internal sealed record FaasVersion(string Sha, string Release);

/// <summary>What runs the functions.</summary>
internal sealed record FaasProvider(string Provider, string Orchestration, FaasVersion Version);

/// <summary><c>GET /system/info</c>.</summary>
internal sealed record FaasInfo(FaasProvider Provider, FaasVersion Version, string Arch);

/// <summary>Alertmanager's webhook, of which only this is of use here.</summary>
internal sealed record FaasAlerts(string? Status, IReadOnlyList<FaasAlert>? Alerts);

/// <summary>One alert.</summary>
internal sealed record FaasAlert(string? Status, Dictionary<string, string>? Labels);

/// <summary>JSON of OpenFaaS's API. Go matches names without case, and so do we.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, PropertyNameCaseInsensitive = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FaasDeployment))]
[JsonSerializable(typeof(FaasStatus))]
[JsonSerializable(typeof(List<FaasStatus>))]
[JsonSerializable(typeof(FaasRemoval))]
[JsonSerializable(typeof(FaasScaling))]
[JsonSerializable(typeof(FaasSecret))]
[JsonSerializable(typeof(List<FaasSecret>))]
[JsonSerializable(typeof(FaasNamespace))]
[JsonSerializable(typeof(List<string>))]
[JsonSerializable(typeof(FaasLogLine))]
[JsonSerializable(typeof(FaasInfo))]
[JsonSerializable(typeof(FaasAlerts))]
internal sealed partial class FaasJson : JsonSerializerContext;
