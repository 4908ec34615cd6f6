// Why not Microsoft.AspNetCore.OpenApi: docs/decisions/0021-funless-api.md.
using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Routing.Patterns;
using Stint.Hosting;

namespace Stint.Management.OpenApi;

/// <summary>The OpenAPI document (3.1.0) of everything that is routed at the management port.</summary>
internal static class OpenApiDocument
{
    private static readonly JsonWriterOptions Format = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NewLine = "\n" };

    /// <summary>Makes it out of the routes and their descriptions. The same routes give the same bytes.</summary>
    /// <exception cref="InvalidOperationException">A route is not described.</exception>
    public static byte[] Write(IEnumerable<EndpointDataSource> sources)
    {
        var schemas = new SortedDictionary<string, JsonNode>(StringComparer.Ordinal);
        var paths = new SortedDictionary<string, JsonObject>(StringComparer.Ordinal);
        foreach (var route in sources.SelectMany(static source => source.Endpoints).OfType<RouteEndpoint>())
        {
            // One that takes whatever is left has nothing to say.
            if (route.RoutePattern.Parameters.Any(static parameter => parameter.IsCatchAll)) continue;
            var path = "/" + route.RoutePattern.RawText!.TrimStart('/');
            var description = route.Metadata.GetMetadata<ApiDescription>() ?? throw new InvalidOperationException($"the route {path} is not described: add .Describe(…) where it is mapped");
            if (!paths.TryGetValue(path, out var item)) paths[path] = item = [];
            foreach (var method in route.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? [description.Method ?? throw new InvalidOperationException($"the route {path} takes every method")])
                item.Add(method.ToLowerInvariant(), Operation(method, path, route.RoutePattern, description, schemas));
        }
        var document = new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject
            {
                ["title"] = "Stint: management",
                ["version"] = ProgramVersion.Text,
                ["description"] = "Everything that manages the platform, its own API and those of other systems, at the management port (8080). FunLess's, under /v1, is also alone at port 4000. Who may do what: docs/security.md.",
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "http://localhost:8080" }),
            ["paths"] = Object(paths.Select(static path => new KeyValuePair<string, JsonNode>(path.Key, path.Value))),
            ["components"] = new JsonObject
            {
                ["schemas"] = Object(schemas),
                ["securitySchemes"] = new JsonObject
                {
                    ["token"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer", ["description"] = "The daemon's token; under /v1 a subject's." },
                    ["password"] = new JsonObject { ["type"] = "http", ["scheme"] = "basic" },
                },
            },
        };
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, Format)) document.WriteTo(writer);
        bytes.Write("\n"u8);
        return bytes.WrittenSpan.ToArray();
    }

    private static JsonObject Operation(string method, string path, RoutePattern pattern, ApiDescription description, SortedDictionary<string, JsonNode> schemas)
    {
        var operation = new JsonObject
        {
            ["tags"] = new JsonArray((JsonNode)description.Area),
            ["summary"] = description.Summary,
            ["operationId"] = Id(method, path),
        };
        var parameters = new JsonArray();
        foreach (var parameter in pattern.Parameters) parameters.Add((JsonNode)new JsonObject { ["name"] = parameter.Name, ["in"] = "path", ["required"] = true, ["schema"] = Text() });
        foreach (var (name, meaning) in description.Query) parameters.Add((JsonNode)new JsonObject { ["name"] = name, ["in"] = "query", ["description"] = meaning, ["schema"] = Text() });
        if (parameters.Count > 0) operation["parameters"] = parameters;
        if (description.Bodies.Count > 0) operation["requestBody"] = new JsonObject { ["content"] = Object(description.Bodies.Select(body => Content(body, schemas))) };
        operation["responses"] = Object(description.Answers.Select(answer =>
        {
            var response = new JsonObject { ["description"] = answer.Meaning };
            if (answer.Content is { } content) response["content"] = Object([Content(content, schemas)]);
            return new KeyValuePair<string, JsonNode>(answer.Status.ToString(CultureInfo.InvariantCulture), response);
        }));
        // None, token or password: what is wanted depends on the settings.
        if (!description.IsOpen) operation["security"] = new JsonArray(new JsonObject(), new JsonObject { ["token"] = new JsonArray() }, new JsonObject { ["password"] = new JsonArray() });
        return operation;
    }

    private static KeyValuePair<string, JsonNode> Content(ApiContent content, SortedDictionary<string, JsonNode> schemas)
    {
        var schema = content switch
        {
            { Type: { } type } => Reference(type, schemas),
            { Fields.Count: > 0 } => Form(content.Fields),
            _ => Text(),
        };
        return new(content.MediaType, new JsonObject { ["schema"] = schema });
    }

    private static JsonObject Reference(JsonTypeInfo type, SortedDictionary<string, JsonNode> schemas)
    {
        var name = type.Type.IsGenericType ? $"{type.Type.Name[..type.Type.Name.IndexOf('`', StringComparison.Ordinal)]}Of{string.Concat(type.Type.GenericTypeArguments.Select(static argument => argument.Name))}" : type.Type.Name;
        if (!schemas.ContainsKey(name))
        {
            var schema = type.GetJsonSchemaAsNode(new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true });
            Root(schema, $"#/components/schemas/{name}");
            schemas[name] = schema;
        }
        return new JsonObject { ["$ref"] = $"#/components/schemas/{name}" };
    }

    /// <summary>A type that occurs twice is a reference the second time, from the root of its schema; here that is not the root of the document.</summary>
    private static void Root(JsonNode? node, string root)
    {
        if (node is JsonArray items) foreach (var item in items) Root(item, root);
        if (node is not JsonObject members) return;
        foreach (var (name, member) in members.ToArray())
        {
            if (name == "$ref" && member is JsonValue value && value.TryGetValue<string>(out var pointer)) members[name] = root + pointer[1..];
            else Root(member, root);
        }
    }

    private static JsonObject Form(IReadOnlyList<ApiField> fields) => new()
    {
        ["type"] = "object",
        ["properties"] = Object(fields.Select(static field =>
        {
            var schema = Text();
            schema["description"] = field.Meaning;
            if (field.IsFile) schema["contentMediaType"] = "application/octet-stream";
            return new KeyValuePair<string, JsonNode>(field.Name, schema);
        })),
        ["required"] = new JsonArray([.. fields.Where(static field => field.IsRequired).Select(static field => (JsonNode)field.Name)]),
    };

    private static JsonObject Text() => new() { ["type"] = "string" };

    private static JsonObject Object(IEnumerable<KeyValuePair<string, JsonNode>> members) => new(members.Select(static member => new KeyValuePair<string, JsonNode?>(member.Key, member.Value)));

    private static string Id(string method, string path) => method.ToLowerInvariant()
        + string.Concat(path.Split('/', '-', '.').Select(static part => part.Trim('{', '}')).Where(static part => part.Length > 0).Select(static part => char.ToUpperInvariant(part[0]) + part[1..]));
}
