using System.Diagnostics.CodeAnalysis;

namespace Stint.Invocations;

/// <summary>
/// The full name of a function: its module and its own name, both <c>[A-Za-z0-9_-]{1,160}</c>.
/// The text form is <c>name</c> in the default module <c>_</c> and <c>name.module</c> elsewhere.
/// </summary>
internal readonly record struct FunctionName
{
    /// <summary>The module that a function belongs to when nobody names one.</summary>
    public const string DefaultModule = "_";

    /// <summary>The longest module or function name, in characters: FunLess's limit, the largest of the four systems'.</summary>
    public const int MaxLength = 160;

    /// <summary>What is said of a name that is none; one wording for every protocol.</summary>
    public const string Rule = "a name has 1 to 160 characters out of A-Z a-z 0-9 _ -";

    private FunctionName(string module, string name) => (Module, Name) = (module, name);

    /// <summary>The module.</summary>
    public string Module { get; }

    /// <summary>The name within its module.</summary>
    public string Name { get; }

    /// <summary>Checks both parts; false when either is not a valid name.</summary>
    public static bool TryCreate(string module, string name, out FunctionName result)
    {
        var valid = IsValidPart(module) && IsValidPart(name);
        result = valid ? new FunctionName(module, name) : default;
        return valid;
    }

    /// <summary>Reads <c>name</c> or <c>name.module</c>.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out FunctionName result)
    {
        result = default;
        if (text is null) return false;
        var dot = text.IndexOf('.', StringComparison.Ordinal);
        return dot < 0 ? TryCreate(DefaultModule, text, out result) : TryCreate(text[(dot + 1)..], text[..dot], out result);
    }

    /// <summary>Whether the text may be a module's or a function's name.</summary>
    public static bool IsValidPart(ReadOnlySpan<char> part)
    {
        if (part.Length is 0 or > MaxLength) return false;
        foreach (var c in part)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-')) return false;
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => Module == DefaultModule ? Name : $"{Name}.{Module}";
}
