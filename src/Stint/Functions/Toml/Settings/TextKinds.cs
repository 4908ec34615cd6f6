namespace Stint.Functions.Toml.Settings;

/// <summary>A text that is not empty.</summary>
internal sealed class TextKind(string description = "a text") : ValueKind<string>
{
    /// <inheritdoc/>
    public override string Description => description;

    /// <inheritdoc/>
    public override string? Read(TomlValue value, Report report) =>
        value is TomlString { Value.Length: > 0 } text && !text.Value.Contains('\0', StringComparison.Ordinal) ? text.Value : Refuse(value, report);

    /// <inheritdoc/>
    public override TomlValue Write(string value) => new TomlString(value);
}

/// <summary>A text out of a few characters, not empty.</summary>
/// <param name="description">Completes "must be …".</param>
/// <param name="allowed">Characters that it may have.</param>
/// <param name="longest">Most characters.</param>
/// <param name="first">What it begins with; null = any of the allowed.</param>
internal class PatternKind(string description, Func<char, bool> allowed, int longest, char? first = null) : ValueKind<string>
{
    /// <inheritdoc/>
    public sealed override string Description => description;

    /// <inheritdoc/>
    public sealed override string? Read(TomlValue value, Report report) =>
        value is TomlString { Value: { Length: > 0 } text } && text.Length <= longest && (first is null || text[0] == first) && text.All(allowed) && IsGood(text) ? text : Refuse(value, report);

    /// <inheritdoc/>
    public sealed override TomlValue Write(string value) => new TomlString(value);

    /// <summary>What else it has to be.</summary>
    protected virtual bool IsGood(string text) => true;
}

/// <summary>Some texts in order; each may be empty.</summary>
internal sealed class TextListKind(string description = "an array of texts") : ValueKind<IReadOnlyList<string>>
{
    /// <summary>Most texts, and most characters of all together: far below what a program can be given (execve(2), ARG_MAX).</summary>
    private const int MaxItems = 1000, MaxLength = 100_000;

    /// <inheritdoc/>
    public override string Description => description;

    /// <inheritdoc/>
    public override IReadOnlyList<string>? Read(TomlValue value, Report report)
    {
        if (value is not TomlArray { IsOfTables: false } array) return Refuse(value, report);
        var texts = new List<string>(array.Count);
        foreach (var item in array)
        {
            if (item is not TomlString text || text.Value.Contains('\0', StringComparison.Ordinal))
            {
                report(item.Position, $"must be {Description}; put each into quotes");
                return null;
            }
            texts.Add(text.Value);
        }
        if (texts.Count <= MaxItems && texts.Sum(static text => text.Length) <= MaxLength) return texts;
        report(value.Position, $"has {texts.Count:N0} texts of {texts.Sum(static text => text.Length):N0} characters; at most {MaxItems:N0} of {MaxLength:N0} fit");
        return null;
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<string> value)
    {
        var array = new TomlArray();
        foreach (var text in value) array.Add(new TomlString(text));
        return array;
    }
}

/// <summary>A value that counts only when it is given: its default depends on others.</summary>
internal sealed class OptionalKind<T>(ValueKind<T> inner) : ValueKind<T?> where T : struct
{
    /// <inheritdoc/>
    public override string Description => inner.Description;

    /// <inheritdoc/>
    public override T? Read(TomlValue value, Report report) => inner.Read(value, report);

    /// <inheritdoc/>
    public override TomlValue Write(T? value) => inner.Write(value!.Value);

    /// <inheritdoc/>
    public override TomlValue FromText(string text) => inner.FromText(text);
}
