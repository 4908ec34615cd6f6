using Stint.Invocations;

namespace Stint.Dialects.FunLess;

/// <summary>
/// FunLess's names, <c>^[_a-zA-Z0-9]+$</c> with 1 to 160 characters, beside ours, which may have dashes. What is made through this API has a name that is good in both; what was made otherwise
/// is found by its own.
/// </summary>
internal static class FunLessName
{
    /// <summary>Checks the name of something new: a function, a module, a subject, a script.</summary>
    /// <exception cref="FunLessRefusal">It is none, in the contract's words.</exception>
    public static string Check(string? name)
    {
        if (string.IsNullOrWhiteSpace(name)) throw FunLessRefusal.Invalid("name", "can't be blank");
        foreach (var c in name)
            if (!char.IsAsciiLetterOrDigit(c) && c != '_') throw FunLessRefusal.Invalid("name", "must contain only alphanumeric characters and underscores");
        return name.Length <= FunctionName.MaxLength ? name : throw FunLessRefusal.Invalid("name", $"should be at most {FunctionName.MaxLength} character(s)");
    }

    /// <summary>The refusal of a name that somebody has.</summary>
    public static FunLessRefusal Taken() => FunLessRefusal.Invalid("name", "has already been taken");
}
