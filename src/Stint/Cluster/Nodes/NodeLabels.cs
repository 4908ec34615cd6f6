using System.Text.Json;
using Stint.Cluster.Transport;

namespace Stint.Cluster.Nodes;

/// <summary>What an operator says of a machine, as the store has it: JSON, text by text.</summary>
internal static class NodeLabels
{
    /// <summary>What is said of a text that is none.</summary>
    public const string Rule = "NAME=VALUE, with commas between several; a name has letters, digits, - and _, a value no comma";

    /// <summary>As JSON.</summary>
    public static string Write(Dictionary<string, string> labels) => JsonSerializer.Serialize(labels, NodeMessages.Default.DictionaryStringString);

    /// <summary>Reads JSON; empty when it is none.</summary>
    public static Dictionary<string, string> Read(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, NodeMessages.Default.DictionaryStringString) ?? [];
        }
        catch (JsonException)
        {
            return [];
        }
    }

    /// <summary>Reads <c>NAME=VALUE,…</c>; null when it is none.</summary>
    public static Dictionary<string, string>? Parse(string text)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var word in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = word.IndexOf('=', StringComparison.Ordinal);
            if (equals is < 1 or > 64 || word.Length > 320 || !word[..equals].All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') || word.Any(char.IsControl)) return null;
            labels[word[..equals]] = word[(equals + 1)..];
        }
        return labels;
    }
}
