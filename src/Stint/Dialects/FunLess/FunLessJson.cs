using System.Text.Json;
using System.Text.Json.Serialization;

namespace Stint.Dialects.FunLess;

/// <summary>Something with a name.</summary>
internal sealed record FunLessNamed(string? Name);

/// <summary>Body of <c>POST /v1/fn</c> and <c>PUT /v1/fn/{mod}</c>.</summary>
internal sealed record FunLessModuleRequest(FunLessNamed? Module);

/// <summary>Body of <c>POST /v1/admin/subjects</c>.</summary>
internal sealed record FunLessSubjectRequest(FunLessNamed? Subject);

/// <summary>Body of a call; both may be left out.</summary>
internal sealed record FunLessCallRequest(JsonElement? Args, FunLessScheduling? Scheduling);

/// <summary>How a call's worker is chosen.</summary>
/// <param name="Language"><c>none</c> or <c>app</c>.</param>
/// <param name="Script">With <c>app</c>: the script's name.</param>
internal sealed record FunLessScheduling(string? Language, string? Script);

/// <summary>What a function is to scheduling, in the form field <c>metadata</c>.</summary>
/// <param name="Tag">Selects the entry of a script.</param>
/// <param name="Capacity">Memory, KB; -1 = not given.</param>
internal sealed record FunLessMetadata(string? Tag, long? Capacity);

/// <summary>An answer about one module, or one function.</summary>
internal sealed record FunLessNameAnswer(FunLessNamed Data);

/// <summary>An answer about several modules.</summary>
internal sealed record FunLessNamesAnswer(IReadOnlyList<FunLessNamed> Data);

/// <summary>A module with its functions.</summary>
internal sealed record FunLessModule(string Name, IReadOnlyList<FunLessNamed> Functions);

/// <summary>An answer about a module with its functions.</summary>
internal sealed record FunLessModuleAnswer(FunLessModule Data);

/// <summary>A function that was made or changed, with what became of its events and sinks, when there were any.</summary>
internal sealed record FunLessFunction(string Name)
{
    public IReadOnlyList<FunLessOutcome>? Events { get; init; }

    public FunLessTally? EventsMetadata { get; init; }

    public IReadOnlyList<FunLessOutcome>? Sinks { get; init; }

    public FunLessTally? SinksMetadata { get; init; }
}

/// <summary>An answer about it.</summary>
internal sealed record FunLessFunctionAnswer(FunLessFunction Data);

/// <summary>What became of one event or sink.</summary>
/// <param name="Status"><c>success</c> or <c>error</c>.</param>
/// <param name="Message">With <c>error</c>: why.</param>
internal sealed record FunLessOutcome(string Status, string? Message = null);

/// <summary>How many of them.</summary>
internal sealed record FunLessTally(int Successful, int Failed, int Total);

/// <summary>A subject with its token.</summary>
internal sealed record FunLessSubject(string Name, string Token);

/// <summary>An answer about one.</summary>
internal sealed record FunLessSubjectAnswer(FunLessSubject Data);

/// <summary>An answer about all.</summary>
internal sealed record FunLessSubjectsAnswer(IReadOnlyList<FunLessSubject> Data);

/// <summary>A scheduling script.</summary>
internal sealed record FunLessScript(int Id, string Name, string Script);

/// <summary>An answer about one.</summary>
internal sealed record FunLessScriptAnswer(FunLessScript Data);

/// <summary>An answer about all.</summary>
internal sealed record FunLessScriptsAnswer(IReadOnlyList<FunLessScript> Data);

/// <summary>A call's result: any JSON; what is none comes as a text.</summary>
internal sealed record FunLessResultAnswer(JsonElement Data);

/// <summary>A refusal.</summary>
/// <param name="Errors">In FunLess's words, which clients look for.</param>
/// <param name="Message">In ours: what, why, what to do.</param>
internal sealed record FunLessFault(FunLessDetail Errors, string? Message);

/// <summary>Its text.</summary>
internal sealed record FunLessDetail(string Detail);

/// <summary>A refusal of a field's value.</summary>
internal sealed record FunLessInvalid(IReadOnlyDictionary<string, IReadOnlyList<string>> Errors);

/// <summary>The refusal to delete the default module.</summary>
internal sealed record FunLessPlainFault(string Error);

/// <summary>JSON of FunLess's API (contract funless.md).</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FunLessModuleRequest))]
[JsonSerializable(typeof(FunLessSubjectRequest))]
[JsonSerializable(typeof(FunLessCallRequest))]
[JsonSerializable(typeof(FunLessMetadata))]
[JsonSerializable(typeof(FunLessNameAnswer))]
[JsonSerializable(typeof(FunLessNamesAnswer))]
[JsonSerializable(typeof(FunLessModuleAnswer))]
[JsonSerializable(typeof(FunLessFunctionAnswer))]
[JsonSerializable(typeof(FunLessSubjectAnswer))]
[JsonSerializable(typeof(FunLessSubjectsAnswer))]
[JsonSerializable(typeof(FunLessScriptAnswer))]
[JsonSerializable(typeof(FunLessScriptsAnswer))]
[JsonSerializable(typeof(FunLessResultAnswer))]
[JsonSerializable(typeof(FunLessFault))]
[JsonSerializable(typeof(FunLessInvalid))]
[JsonSerializable(typeof(FunLessPlainFault))]
[JsonSerializable(typeof(string))]
internal sealed partial class FunLessJson : JsonSerializerContext;
