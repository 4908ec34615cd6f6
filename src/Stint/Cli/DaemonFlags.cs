using System.CommandLine;
using Stint.Hosting;
using Stint.Hosting.Configuration;

namespace Stint.Cli;

/// <summary>The daemon's settings as flags, from <see cref="DaemonOptionTable"/>: name, help and the check of the value are those of the setting.</summary>
internal static class DaemonFlags
{
    private static readonly DaemonOptions Unset = new() { Registry = "", State = "", Run = "" };

    /// <summary>Declares flags on a command; the result reads those that were given, by their names without dashes.</summary>
    /// <param name="wanted">Which settings. Those that every command has (<see cref="GlobalOptions"/>) are not declared again.</param>
    public static Func<ParseResult, Dictionary<string, string>> AddTo(Command command, Func<DaemonOption, bool> wanted)
    {
        var readers = new List<(string Name, Func<ParseResult, string?> Read)>();
        foreach (var setting in DaemonOptionTable.All.Where(setting => setting.Flag != GlobalOptions.TokenFileFlag && wanted(setting)))
            readers.Add((setting.Name, setting.IsSwitch ? AddSwitch(command, setting) : AddValue(command, setting)));
        return parsed => readers.Select(reader => (reader.Name, Value: reader.Read(parsed))).Where(flag => flag.Value is not null).ToDictionary(flag => flag.Name, flag => flag.Value!);
    }

    /// <summary>The settings of a daemon that this user would start here with these flags; null when some are wrong, which 'up' reports.</summary>
    public static DaemonOptions? Load(IReadOnlyDictionary<string, string> flags) => OptionsLoader.Load(flags).Options;

    private static Func<ParseResult, string?> AddSwitch(Command command, DaemonOption setting)
    {
        var option = new Option<bool>(setting.Flag) { Description = setting.Help };
        command.Options.Add(option);
        // `--insecure=false` is a value too: it stands above the environment's.
        return parsed => parsed.GetResult(option) is { Implicit: false } ? (parsed.GetValue(option) ? "true" : "false") : null;
    }

    private static Func<ParseResult, string?> AddValue(Command command, DaemonOption setting)
    {
        var option = new Option<string>(setting.Flag, setting.Short is { } letter ? [letter] : []) { Description = $"{setting.Help} Takes {setting.Kind}; default: {setting.Default}.", HelpName = "value" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token]) setting.Setting.Read(Unset, setting.Setting.FromText(token.Value), (_, message) => result.AddError($"{setting.Flag}: {message}."));
        });
        // A choice of words describes itself as them, in quotes.
        if (setting.Kind.StartsWith('"')) option.CompletionSources.Add([.. setting.Kind.Split('"').Where((_, part) => part % 2 == 1)]);
        command.Options.Add(option);
        return parsed => parsed.GetValue(option);
    }
}
