using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Stint.Management;

namespace Stint.Cli;

/// <summary>
/// The JSON that commands print: stable shapes, in the API's spelling, indented. The writer escapes everything outside of printable ASCII,
/// so that what a function chose to be called cannot reach a terminal.
/// </summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(FunctionListView))]
[JsonSerializable(typeof(FunctionDetailView))]
[JsonSerializable(typeof(FunctionView))]
[JsonSerializable(typeof(VersionView))]
[JsonSerializable(typeof(DoctorView))]
[JsonSerializable(typeof(WipedContainersView))]
[JsonSerializable(typeof(ImageListView))]
[JsonSerializable(typeof(TokenListView))]
[JsonSerializable(typeof(AsyncListView))]
[JsonSerializable(typeof(AsyncDetailsView))]
[JsonSerializable(typeof(StoreTransferView))]
[JsonSerializable(typeof(NodeListView))]
internal sealed partial class CliJson : JsonSerializerContext
{
    /// <summary>Writes a value and a line break.</summary>
    public static void Write<T>(CliSession session, T value, JsonTypeInfo<T> type) => session.Out.WriteLine(JsonSerializer.Serialize(value, type));
}

/// <summary>JSON of which one object is one line.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(TopReport))]
internal sealed partial class TopJson : JsonSerializerContext;

/// <summary><c>stint version --json</c>.</summary>
/// <param name="Version">Version of the program.</param>
/// <param name="Framework">The .NET it runs on.</param>
/// <param name="Platform">Operating system and processor, as .NET names them.</param>
internal sealed record VersionView(string Version, string Framework, string Platform);

/// <summary><c>stint doctor --json</c>.</summary>
/// <param name="CanRunFunctions">The verdict; decides the exit code.</param>
/// <param name="Checks">Each finding.</param>
internal sealed record DoctorView(bool CanRunFunctions, IReadOnlyList<DoctorCheckView> Checks);

/// <summary>One finding of <c>stint doctor</c>.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="Status"><c>fine</c>, <c>degraded</c> or <c>missing</c>.</param>
/// <param name="Found">What is there.</param>
/// <param name="Cure">The command or step that would help; null when fine.</param>
/// <param name="Concerns">Who needs it: <c>everything</c>, <c>python3</c>, <c>nodejs</c>, <c>containers</c> or <c>comfort</c>.</param>
internal sealed record DoctorCheckView(string Name, string Status, string Found, string? Cure, string Concerns);
