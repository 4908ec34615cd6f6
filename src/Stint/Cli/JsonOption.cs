using System.CommandLine;

namespace Stint.Cli;

/// <summary>The option <c>--json</c>, the same wherever there is one.</summary>
internal static class JsonOption
{
    /// <summary>Declares it.</summary>
    public static Option<bool> AddTo(Command command, string description = "Print JSON, in a form that stays.")
    {
        var option = new Option<bool>("--json") { Description = description };
        command.Options.Add(option);
        return option;
    }
}
