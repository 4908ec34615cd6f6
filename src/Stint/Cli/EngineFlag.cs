using System.CommandLine;
using Stint.Backends.Containers.Engine;
using Stint.Hosting.Configuration;

namespace Stint.Cli;

/// <summary>The flag that names the container engine, for commands that speak to it and not to a daemon.</summary>
internal static class EngineFlag
{
    /// <summary>Declares it; the result is a client of the engine that the command line, else stint.toml, else the environment names.</summary>
    /// <exception cref="CliException">The address is unusable.</exception>
    public static Func<ParseResult, EngineClient> AddTo(Command command, CliSession session)
    {
        var read = DaemonFlags.AddTo(command, static setting => setting.Name == "docker-host");
        return parsed =>
        {
            // stint.toml and the environment count as well, as for 'up'.
            var reading = OptionsLoader.Load(read(parsed));
            if (reading.Options is not { } options) throw new CliException(string.Join("\n", reading.Problems), ExitCode.BadConfiguration);
            try
            {
                return new EngineClient(EngineAddress.Find(options.DockerHost, session.Variable), session.Time);
            }
            catch (FormatException wrong)
            {
                throw new CliException(wrong.Message, ExitCode.BadConfiguration);
            }
        };
    }
}
