using System.Text.Json;
using Stint.Functions.Deployments;

namespace Stint.Functions.Builds;

/// <summary>What of a <c>package.json</c> matters here: its main file and its dependencies.</summary>
internal sealed class PackageJson : IDisposable
{
    /// <summary>The file's name.</summary>
    public const string FileName = "package.json";

    /// <summary>What runs when nothing names the main file, in this order.</summary>
    public static readonly string[] DefaultMains = ["index.js", "fn.js"];

    /// <summary>What npm installs for a root package (devDependencies are omitted).</summary>
    private static readonly string[] Sections = ["dependencies", "optionalDependencies", "peerDependencies"];

    /// <summary>What decides about the installed versions besides.</summary>
    private static readonly string[] Modifiers = ["overrides", "peerDependenciesMeta", "bundleDependencies", "bundledDependencies"];

    private readonly JsonDocument _document;

    private PackageJson(JsonDocument document) => _document = document;

    /// <summary>Reads the file of that folder.</summary>
    /// <exception cref="DeploymentException">It is not a JSON object.</exception>
    public static PackageJson Read(string folder)
    {
        try
        {
            // Editors on Windows write a byte order mark, which npm tolerates and JsonDocument does not.
            var text = File.ReadAllText(Path.Combine(folder, FileName));
            var document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind == JsonValueKind.Object) return new PackageJson(document);
            document.Dispose();
            throw new DeploymentException(DeploymentFault.BadRequest, "package.json must be a JSON object");
        }
        catch (JsonException e)
        {
            throw new DeploymentException(DeploymentFault.BadRequest, $"package.json:{e.LineNumber + 1}:{e.BytePositionInLine + 1}: not valid JSON: {FirstSentence(e.Message)}", e);
        }
    }

    /// <summary>The member <c>main</c>, if it is a text.</summary>
    public string? Main => Text(_document.RootElement, "main");

    /// <summary>All packages that npm would install, name and version as written.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Dependencies =>
        [.. Sections.SelectMany(section => Members(section).Select(m => KeyValuePair.Create(m.Name, m.Value.ValueKind == JsonValueKind.String ? m.Value.GetString()! : "")))];

    /// <summary>Whether npm must see more than the dependency lists: a workspace's packages lie in the code.</summary>
    public bool HasWorkspaces => _document.RootElement.TryGetProperty("workspaces", out _);

    /// <summary>A package.json with nothing but what decides about the dependencies, so that equal ones are equal byte for byte.</summary>
    public byte[] Reduce()
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            writer.WriteString("name", "fn");
            writer.WriteBoolean("private", true);
            foreach (var section in Sections.Concat(Modifiers))
            {
                if (!_document.RootElement.TryGetProperty(section, out var value)) continue;
                writer.WritePropertyName(section);
                value.WriteTo(writer);
            }
            writer.WriteEndObject();
        }
        return stream.ToArray();
    }

    /// <inheritdoc/>
    public void Dispose() => _document.Dispose();

    private IEnumerable<JsonProperty> Members(string section) =>
        _document.RootElement.TryGetProperty(section, out var value) && value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : Enumerable.Empty<JsonProperty>();

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    // JsonException repeats the position, which the message above has in our own form.
    private static string FirstSentence(string message) => message.IndexOf(" LineNumber", StringComparison.Ordinal) is > 0 and var end ? message[..end] : message;
}
