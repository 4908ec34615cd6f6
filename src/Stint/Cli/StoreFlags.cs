using Stint.Hosting;
using Stint.Hosting.Configuration;

namespace Stint.Cli;

/// <summary>Settings of commands that speak to the store: as those of <c>stint up</c>, from flags, environment and <c>stint.toml</c>.</summary>
internal static class StoreFlags
{
    /// <summary>The settings; a store is among them.</summary>
    /// <exception cref="CliException">Something is wrong with them, or no store is named.</exception>
    public static DaemonOptions Load(IReadOnlyDictionary<string, string> flags)
    {
        var reading = OptionsLoader.Load(flags);
        if (reading.Options is not { } options) throw new CliException(string.Join('\n', reading.Problems), ExitCode.BadConfiguration);
        return options.Store is not null ? options : throw new CliException("which store? Give --store postgres://USER@HOST/DATABASE, STINT_STORE in the environment, or store in stint.toml.", ExitCode.Usage);
    }

    /// <summary>Whether no gateway is named, neither by a flag nor in the environment nor in <c>stint.toml</c>. What is wrong with the settings otherwise is not said here.</summary>
    public static bool IsWithoutCore(IReadOnlyDictionary<string, string> flags) => OptionsLoader.Load(flags).Options is { } options && !options.RunsForGateways();
}
