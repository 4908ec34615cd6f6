using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Stint.Functions.Triggers;

/// <summary>A topic filter of MQTT (5.0 section 4.7), and the rules for topics' names.</summary>
internal sealed record TopicFilter
{
    /// <summary>The longest topic, in bytes of UTF-8 (5.0 section 4.7.3).</summary>
    public const int MaxBytes = 65_535;

    private const string SharedPrefix = "$share/";
    private readonly string[] _levels;

    private TopicFilter(string text, string? group, string filter)
    {
        (Text, Group, Filter) = (text, group, filter);
        _levels = filter.Split('/');
    }

    /// <summary>As the broker is asked for it.</summary>
    public string Text { get; }

    /// <summary>The group of a shared subscription (5.0 section 4.8.2); null = it is not shared.</summary>
    public string? Group { get; }

    /// <summary>The filter without the group.</summary>
    public string Filter { get; }

    /// <summary>Reads a filter.</summary>
    /// <param name="text">Anything.</param>
    /// <param name="filter">The filter.</param>
    /// <param name="problem">What is wrong with it; completes "the topic …".</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out TopicFilter? filter, [NotNullWhen(false)] out string? problem)
    {
        filter = null;
        string? group = null;
        var rest = text;
        if (text.StartsWith(SharedPrefix, StringComparison.Ordinal))
        {
            var slash = text.IndexOf('/', SharedPrefix.Length);
            group = slash < 0 ? "" : text[SharedPrefix.Length..slash];
            if (group.Length == 0 || group.AsSpan().ContainsAny('+', '#'))
            {
                problem = "is a shared subscription without its parts; write $share/GROUP/FILTER, the group without + and #";
                return false;
            }
            rest = text[(slash + 1)..];
        }
        problem = Unusable(rest);
        if (problem is null)
        {
            var levels = rest.Split('/');
            for (var i = 0; i < levels.Length && problem is null; i++)
            {
                if (levels[i].Contains('#', StringComparison.Ordinal) && (levels[i] != "#" || i != levels.Length - 1)) problem = "has a # that is not its last level; write it alone, after the last slash";
                else if (levels[i].Contains('+', StringComparison.Ordinal) && levels[i] != "+") problem = "has a + within a level; it stands for a whole level, between slashes";
            }
        }
        if (problem is not null) return false;
        filter = new TopicFilter(text, group, rest);
        return true;
    }

    /// <summary>What keeps a text from being a topic's name, to which something is published; null when nothing does. Completes "the topic …".</summary>
    public static string? ProblemOfName(string name) =>
        Unusable(name) ?? (name.AsSpan().ContainsAny('+', '#') ? "has a wildcard, + or #; a message is published to one topic, which has none" : null);

    /// <summary>Whether a message of that topic is for this filter (5.0 sections 4.7.1 and 4.7.2).</summary>
    public bool Matches(ReadOnlySpan<char> topic)
    {
        // $SYS and the like: a wildcard in the first place does not stand for them.
        if (topic.Length > 0 && topic[0] == '$' && _levels[0] is "#" or "+") return false;
        var index = 0;
        foreach (var range in topic.Split('/'))
        {
            if (index == _levels.Length) return false;
            var level = _levels[index++];
            if (level == "#") return true;
            if (level != "+" && !topic[range].SequenceEqual(level)) return false;
        }
        // "sport/#" is for "sport" too: # stands for the parent as well.
        return index == _levels.Length || (index == _levels.Length - 1 && _levels[index] == "#");
    }

    /// <inheritdoc/>
    public bool Equals(TopicFilter? other) => other is not null && Text == other.Text;

    /// <inheritdoc/>
    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => Text;

    private static string? Unusable(string text)
    {
        if (text.Length == 0) return "is empty";
        if (text.Contains('\0', StringComparison.Ordinal)) return "has the character U+0000, which MQTT does not allow";
        return Encoding.UTF8.GetByteCount(text) > MaxBytes ? $"has more than {MaxBytes:N0} bytes" : null;
    }
}
