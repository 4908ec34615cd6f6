namespace Stint.Functions.Secrets;

/// <summary>Names of secrets: those that Kubernetes and faasd take, since they are files' names in a function's view.</summary>
internal static class SecretName
{
    /// <summary>The longest, in characters.</summary>
    public const int MaxLength = 253;

    /// <summary>What is said of a name that is none.</summary>
    public const string Rule = "a secret's name has 1 to 253 characters out of A-Z a-z 0-9 . _ - and does not begin with a dot";

    /// <summary>Whether it is one.</summary>
    public static bool IsValid(string? name)
    {
        if (name is not { Length: > 0 and <= MaxLength } || name[0] == '.') return false;
        foreach (var c in name)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-')) return false;
        return true;
    }
}
