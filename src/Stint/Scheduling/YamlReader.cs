// YamlDotNet's parser of events, and nothing above it: its object mapping needs reflection, and its tree follows aliases, with which a few lines can stand for gigabytes. What scripts do not need is
// refused here: anchors, aliases, tags, several documents, keys that are no texts.
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Stint.Scheduling;

/// <summary>Reads one small YAML document from outside.</summary>
internal static class YamlReader
{
    private const int MaxDepth = 16, MaxNodes = 10_000;

    /// <summary>Reads it; null with the reason when it is none.</summary>
    public static YamlNode? Read(string text, out string problem)
    {
        problem = "";
        try
        {
            var parser = new Parser(new Scanner(new StringReader(text), skipComments: true));
            var nodes = 0;
            parser.Consume<StreamStart>();
            if (parser.Accept<StreamEnd>(out _)) throw Refused(1, "there is nothing in it");
            parser.Consume<DocumentStart>();
            var root = ReadNode(parser, 0, ref nodes);
            parser.Consume<DocumentEnd>();
            if (!parser.Accept<StreamEnd>(out var more)) throw Refused(Line(parser), "there is more than one document in it");
            return root;
        }
        catch (YamlRefusedException refused)
        {
            problem = refused.Message;
        }
        catch (YamlException broken)
        {
            problem = $"line {broken.Start.Line}: {broken.Message}";
        }
        catch (Exception fault) when (fault is ArgumentException or InvalidOperationException or FormatException or OverflowException or IndexOutOfRangeException)
        {
            // What the parser did not expect is no YAML either.
            problem = $"it cannot be read: {fault.Message}";
        }
        return null;
    }

    // The depth is bounded, so this may call itself.
    private static YamlNode ReadNode(Parser parser, int depth, ref int nodes)
    {
        var line = Line(parser);
        if (++nodes > MaxNodes) throw Refused(line, $"it has more than {MaxNodes:N0} parts");
        if (depth > MaxDepth) throw Refused(line, $"it is nested deeper than {MaxDepth} levels");
        if (parser.Accept<AnchorAlias>(out _)) throw Refused(line, "aliases (*name) are not allowed here; write the part out");
        if (parser.Accept<NodeEvent>(out var node) && (!node!.Anchor.IsEmpty || !node.Tag.IsEmpty)) throw Refused(line, "anchors (&name) and tags (!name) are not allowed here; put a text that begins with ! or & into quotes");
        if (parser.TryConsume<Scalar>(out var scalar)) return new YamlNode.Scalar(scalar.Value, scalar.Style == ScalarStyle.Plain, line);
        if (parser.TryConsume<SequenceStart>(out _))
        {
            var items = new List<YamlNode>();
            while (!parser.TryConsume<SequenceEnd>(out _)) items.Add(ReadNode(parser, depth + 1, ref nodes));
            return new YamlNode.Sequence(items, line);
        }
        parser.Consume<MappingStart>();
        var entries = new List<KeyValuePair<string, YamlNode>>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            var at = Line(parser);
            if (ReadNode(parser, depth + 1, ref nodes) is not YamlNode.Scalar key) throw Refused(at, "a key must be a text");
            if (!names.Add(key.Text)) throw Refused(at, $"'{key.Text}' is there twice");
            entries.Add(new(key.Text, ReadNode(parser, depth + 1, ref nodes)));
        }
        return new YamlNode.Mapping(entries, line);
    }

    private static long Line(Parser parser) => parser.Accept<ParsingEvent>(out var next) ? next.Start.Line : 0;

    private static YamlRefusedException Refused(long line, string why) => new($"line {line}: {why}");

    private sealed class YamlRefusedException(string message) : Exception(message);
}
