using System.CommandLine;

namespace Stint.Cli;

/// <summary>An option that is given once a pair, <c>--env K=V</c>, and may be repeated.</summary>
internal static class KeyValueOption
{
    /// <summary>Makes it, with the check that each value has a key.</summary>
    /// <param name="separator">What stands between key and value.</param>
    public static Option<string[]> Create(string name, string helpName, string description, char separator = '=', params string[] aliases)
    {
        var option = new Option<string[]>(name, aliases) { Description = description, HelpName = helpName, Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false };
        option.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
                if (token.Value.IndexOf(separator, StringComparison.Ordinal) < 1) result.AddError($"{name} wants {helpName}, not '{token.Value}'.");
        });
        return option;
    }

    /// <summary>The pairs that were given, in order.</summary>
    public static IEnumerable<(string Key, string Value)> Read(ParseResult parsed, Option<string[]> option, char separator = '=') =>
        from pair in parsed.GetValue(option) ?? []
        let at = pair.IndexOf(separator, StringComparison.Ordinal)
        select (pair[..at], pair[(at + 1)..]);
}
