using System.Text.Json.Serialization;

namespace Stint.Backends.Containers.Engine;

/// <summary>JSON of the Engine API. What the engine leaves out or sends as null is empty; what it must send and does not makes the answer unreadable.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(EngineError))]
[JsonSerializable(typeof(EngineVersion))]
[JsonSerializable(typeof(EngineInfo))]
[JsonSerializable(typeof(EngineEvent))]
[JsonSerializable(typeof(ContainerSettings))]
[JsonSerializable(typeof(CreatedContainer))]
[JsonSerializable(typeof(LimitSettings))]
[JsonSerializable(typeof(ContainerDetails))]
[JsonSerializable(typeof(IReadOnlyList<ContainerSummary>))]
[JsonSerializable(typeof(WaitAnswer))]
[JsonSerializable(typeof(ContainerStatistics))]
[JsonSerializable(typeof(ExecSettings))]
[JsonSerializable(typeof(ExecStart))]
[JsonSerializable(typeof(CreatedExec))]
[JsonSerializable(typeof(ExecDetails))]
[JsonSerializable(typeof(NetworkSettings))]
[JsonSerializable(typeof(CreatedNetwork))]
[JsonSerializable(typeof(NetworkDetails))]
[JsonSerializable(typeof(IReadOnlyList<NetworkDetails>))]
[JsonSerializable(typeof(NetworkMembership))]
[JsonSerializable(typeof(VolumeList))]
[JsonSerializable(typeof(ImageDetails))]
[JsonSerializable(typeof(IReadOnlyList<ImageSummary>))]
[JsonSerializable(typeof(BuildProgress))]
[JsonSerializable(typeof(IReadOnlyList<RemovedImage>))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, string>))]
[JsonSerializable(typeof(Dictionary<string, IReadOnlyList<string>>))]
internal sealed partial class EngineJson : JsonSerializerContext;
