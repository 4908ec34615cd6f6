using Stint.Invocations;

namespace Stint.Dialects.FunLess;

/// <summary>
/// FunLess's names, <c>^[_a-zA-Z0-9]+$</c> with 1 to 160 characters, beside ours, which are shorter and may have dashes. What is made through this API has a name that is good in both; what was made otherwise
/// is found by its own.
/// </summary>
internal static class FunLessName
{
    /// <summary>The most characters of a subject's or a script's name, which are no file names of functions.</summary>
    public const int MaxLength = 160;

    /// <summary>Checks the name of a new function or module.</summary>
    /// <exception cref="FunLessRefusal">It is none, in the contract's words.</exception>
    public static string Check(string? name) => Check(name, FunctionName.MaxLength);

    /// <summary>Checks a new name.</summary>
    /// <exception cref="FunLessRefusal">It is none, in the contract's words.</exception>
    public static string Check(string? name, int longest)
    {
        if (string.IsNullOrWhiteSpace(name)) throw FunLessRefusal.Invalid("name", "can't be blank");
        foreach (var c in name)
            if (!char.IsAsciiLetterOrDigit(c) && c != '_') throw FunLessRefusal.Invalid("name", "must contain only alphanumeric characters and underscores");
        return name.Length <= longest ? name : throw FunLessRefusal.Invalid("name", $"should be at most {longest} character(s)");
    }

    /// <summary>The refusal of a name that somebody has.</summary>
    public static FunLessRefusal Taken() => FunLessRefusal.Invalid("name", "has already been taken");
}
