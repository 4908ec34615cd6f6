namespace Stint.Scheduling;

/// <summary>A part of a YAML document, with the line (from 1) that it begins on.</summary>
internal abstract record YamlNode(long Line)
{
    /// <summary>A text, a number, or nothing.</summary>
    /// <param name="Text">As it stands there.</param>
    /// <param name="IsPlain">Without quotes: an empty one, <c>~</c> and <c>null</c> are nothing then.</param>
    /// <param name="Line">Line.</param>
    public sealed record Scalar(string Text, bool IsPlain, long Line) : YamlNode(Line)
    {
        /// <summary>It is nothing (YAML 1.2.2, section 10.3.2).</summary>
        public bool IsNull => IsPlain && Text is "" or "~" or "null" or "Null" or "NULL";
    }

    /// <summary>Nodes in order.</summary>
    public sealed record Sequence(IReadOnlyList<YamlNode> Items, long Line) : YamlNode(Line);

    /// <summary>Nodes by name, in the order of the file; each name once.</summary>
    public sealed record Mapping(IReadOnlyList<KeyValuePair<string, YamlNode>> Entries, long Line) : YamlNode(Line);
}
