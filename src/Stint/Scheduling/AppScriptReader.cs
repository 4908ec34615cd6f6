// An APP script is a list; each of its entries is a mapping with one tag, whose value is a list of blocks, and maybe `followup`. The words in the messages (no_blocks, unknown_followup, unknown_construct,
// no_block_workers) are those of FunLess's own parser.
using System.Collections.Frozen;
using System.Globalization;

namespace Stint.Scheduling;

/// <summary>Reads and checks APP scripts.</summary>
internal static class AppScriptReader
{
    /// <summary>The longest script, characters. Arbitrary: a thousand times what the largest published one has.</summary>
    public const int MaxLength = 64 * 1024;

    private const int MaxProblems = 20;
    private const string Followup = "followup";

    /// <summary>The script; null with what is wrong with it, one line each, when it is none.</summary>
    public static AppScript? Read(string text, out IReadOnlyList<string> problems)
    {
        var found = new List<string>();
        problems = found;
        if (text.Length > MaxLength)
        {
            found.Add($"the script has {text.Length:N0} characters; at most {MaxLength:N0} fit");
            return null;
        }
        if (YamlReader.Read(text, out var problem) is not { } root)
        {
            found.Add(problem);
            return null;
        }
        var tags = new Dictionary<string, AppTag>(StringComparer.Ordinal);
        if (root is YamlNode.Sequence { Items.Count: > 0 } list) foreach (var item in list.Items) ReadTag(item, tags, found);
        else found.Add($"line {root.Line}: unknown_construct: a script is a list of tags; write '- default:' and below it '- workers: \"*\"'");
        if (found.Count > MaxProblems) found.RemoveRange(MaxProblems, found.Count - MaxProblems);
        return found.Count == 0 ? new AppScript(tags.ToFrozenDictionary(StringComparer.Ordinal)) : null;
    }

    private static void ReadTag(YamlNode node, Dictionary<string, AppTag> tags, List<string> problems)
    {
        if (node is not YamlNode.Mapping mapping || mapping.Entries.Where(static entry => entry.Key != Followup).ToArray() is not [var (tag, value)])
        {
            problems.Add($"line {node.Line}: unknown_construct: an entry has one tag with its blocks, and may have '{Followup}'");
            return;
        }
        var falls = false;
        if (mapping.Entries.FirstOrDefault(static entry => entry.Key == Followup).Value is { } followup)
        {
            if (followup is YamlNode.Scalar { Text: "default" or "fail" } word) falls = word.Text == "default";
            else problems.Add($"line {followup.Line}: tag '{tag}': unknown_followup: '{Followup}' must be default or fail");
        }
        switch (value)
        {
            case YamlNode.Sequence { Items.Count: > 0 } blocks:
                var read = blocks.Items.Select(block => ReadBlock(tag, block, problems)).OfType<AppBlock>().ToArray();
                if (!tags.TryAdd(tag, new AppTag(read, falls))) problems.Add($"line {value.Line}: the tag '{tag}' is there twice");
                break;
            case YamlNode.Sequence or YamlNode.Scalar { IsNull: true }:
                problems.Add($"line {value.Line}: tag '{tag}': no_blocks: it needs at least one block, such as '- workers: \"*\"'");
                break;
            default:
                problems.Add($"line {value.Line}: tag '{tag}': unknown_construct: below a tag is a list of blocks");
                break;
        }
    }

    private static AppBlock? ReadBlock(string tag, YamlNode node, List<string> problems)
    {
        if (node is not YamlNode.Mapping mapping)
        {
            problems.Add($"line {node.Line}: tag '{tag}': unknown_construct: a block has 'workers', and may have 'strategy', 'invalidate' and 'affinity'");
            return null;
        }
        var block = new AppBlock();
        var hasWorkers = false;
        foreach (var (key, value) in mapping.Entries)
        {
            switch (key)
            {
                case "workers":
                    hasWorkers = true;
                    block = block with { Workers = ReadWorkers(value, Report) };
                    break;
                case "strategy":
                    block = block with { Strategy = ReadStrategy(value, Report) };
                    break;
                case "invalidate":
                    block = ReadInvalidate(block, value, Report);
                    break;
                case "affinity":
                    block = ReadAffinity(block, value, Report);
                    break;
                default:
                    Report(value.Line, $"unknown_construct: '{key}' is not known; a block has 'workers', 'strategy', 'invalidate' and 'affinity'");
                    break;
            }
        }
        if (!hasWorkers) Report(node.Line, "no_block_workers: the block has no 'workers'; name them, or write \"*\" for all");
        return block;

        void Report(long line, string message) => problems.Add($"line {line}: tag '{tag}': {message}");
    }

    private static List<string>? ReadWorkers(YamlNode value, Action<long, string> report)
    {
        if (value is YamlNode.Scalar { Text: "*" }) return null;
        var names = Texts(value is YamlNode.Scalar one ? new YamlNode.Sequence([one], one.Line) : value);
        if (names is not { Count: > 0 }) report(value.Line, "no_block_workers: 'workers' must be \"*\" or a list of workers' names");
        return names;
    }

    private static AppStrategy ReadStrategy(YamlNode value, Action<long, string> report)
    {
        switch (value)
        {
            case YamlNode.Scalar { Text: "best-first" }: return AppStrategy.BestFirst;
            case YamlNode.Scalar { Text: "random" }: return AppStrategy.Random;
            case YamlNode.Scalar { Text: "platform" }: return AppStrategy.Platform;
            default:
                report(value.Line, "unknown_construct: 'strategy' must be best-first, random or platform");
                return default;
        }
    }

    private static AppBlock ReadInvalidate(AppBlock block, YamlNode value, Action<long, string> report)
    {
        if (value is not YamlNode.Mapping mapping)
        {
            report(value.Line, "unknown_construct: 'invalidate' has 'capacity_used' and 'max_concurrent_invocations'");
            return block;
        }
        foreach (var (key, setting) in mapping.Entries)
        {
            switch (key)
            {
                case "capacity_used":
                    if (setting is YamlNode.Scalar share && TryNumber(share.Text.EndsWith('%') ? share.Text[..^1] : share.Text, out var percent) && percent <= 100) block = block with { CapacityUsed = percent };
                    else report(setting.Line, "unknown_construct: 'capacity_used' must be a percentage from 0% to 100%");
                    break;
                case "max_concurrent_invocations":
                    if (setting is YamlNode.Scalar number && TryNumber(number.Text, out var most)) block = block with { MaxConcurrentInvocations = most };
                    else report(setting.Line, "unknown_construct: 'max_concurrent_invocations' must be a number of calls, 0 or more");
                    break;
                default:
                    report(setting.Line, $"unknown_construct: '{key}' is not known; 'invalidate' has 'capacity_used' and 'max_concurrent_invocations'");
                    break;
            }
        }
        return block;
    }

    private static AppBlock ReadAffinity(AppBlock block, YamlNode value, Action<long, string> report)
    {
        if (Texts(value) is { } tags && tags.All(static tag => tag.TrimStart('!').Length > 0))
            return block with { Affinity = [.. tags.Where(static tag => tag[0] != '!')], AntiAffinity = [.. tags.Where(static tag => tag[0] == '!').Select(static tag => tag[1..])] };
        report(value.Line, "unknown_construct: 'affinity' must be a list of tags, with ! before those that must not be there: [web, \"!batch\"]");
        return block;
    }

    private static List<string>? Texts(YamlNode node)
    {
        if (node is not YamlNode.Sequence list) return null;
        var texts = new List<string>();
        foreach (var item in list.Items)
        {
            if (item is not YamlNode.Scalar { IsNull: false, Text.Length: > 0 } text) return null;
            texts.Add(text.Text);
        }
        return texts;
    }

    private static bool TryNumber(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
