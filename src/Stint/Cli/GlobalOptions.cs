using System.CommandLine;
using Stint.Management;

namespace Stint.Cli;

/// <summary>The options of every command: which daemon, with which token, and whether in colour.</summary>
internal sealed class GlobalOptions
{
    /// <summary>Where a daemon manages itself by default.</summary>
    public const string DefaultManagement = "http://localhost:8080";

    /// <summary>The flag that is the client's and, with <c>up</c>, the daemon's.</summary>
    public const string TokenFileFlag = "--token-file";

    private readonly Option<string> _management = new("--management")
    {
        Description = $"Management endpoint of the daemon. Default $STINT_MANAGEMENT, then {DefaultManagement}.", HelpName = "url", Recursive = true,
    };

    private readonly Option<string> _token = new("--token")
    {
        Description = "Token of the daemon. Default $STINT_TOKEN, then the token file.", HelpName = "token", Recursive = true,
    };

    private readonly Option<string> _tokenFile = new(TokenFileFlag)
    {
        Description = "File that holds the token; 'up' makes it. Default STATE/token of this user's own daemon, for one on this machine.", HelpName = "file", Recursive = true,
    };

    private readonly Option<bool> _noColor = new("--no-color") { Description = "No colours and no drawing; NO_COLOR in the environment does the same.", Recursive = true };

    /// <summary>Declares them on the root.</summary>
    public void AddTo(Command root)
    {
        _management.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !ManagementClient.TryParseAddress(token.Value, out _))
                result.AddError($"--management wants an address like {DefaultManagement}, not '{token.Value}'.");
        });
        root.Options.Add(_management);
        root.Options.Add(_token);
        root.Options.Add(_tokenFile);
        root.Options.Add(_noColor);
    }

    /// <summary>Whether <c>--no-color</c> was given.</summary>
    public bool NoColor(ParseResult parsed) => parsed.GetValue(_noColor);

    /// <summary>The value of <c>--token-file</c>.</summary>
    public string? TokenFile(ParseResult parsed) => parsed.GetValue(_tokenFile);

    /// <summary>The value of <c>--token</c>.</summary>
    public string? Token(ParseResult parsed) => parsed.GetValue(_token);

    /// <summary>A client of the daemon that the command line, else the environment, else the default names.</summary>
    /// <exception cref="CliException">The address or the token file is unusable.</exception>
    public ManagementClient Connect(ParseResult parsed, CliSession session)
    {
        var text = parsed.GetValue(_management) ?? session.Variable("STINT_MANAGEMENT") ?? DefaultManagement;
        if (!ManagementClient.TryParseAddress(text, out var address))
            throw new CliException($"STINT_MANAGEMENT is '{text}', which is no address. Write it like {DefaultManagement}.", ExitCode.BadConfiguration);
        return new ManagementClient(address, ReadToken(parsed, session, address), session.Time);
    }

    /// <summary>The token that applies when no option says anything: of the environment, else, for a daemon on this machine, of the file where this user's daemon keeps it; null when there is none.</summary>
    public static string? AmbientToken(CliSession session, Uri address)
    {
        if (session.Variable("STINT_TOKEN") is { } token) return Checked(token.Trim(), "STINT_TOKEN");
        // The file is the secret of this machine's daemon: another machine does not get to see it by being named in --management.
        if (!address.IsLoopback) return null;
        if (DaemonFlags.Load(new Dictionary<string, string>())?.TokenFile is not { } path) return null;
        try
        {
            return Checked(File.ReadAllText(path).Trim(), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The file belongs to the daemon, which may run elsewhere or as somebody else, or need no token.
            return null;
        }
    }

    private string? ReadToken(ParseResult parsed, CliSession session, Uri address)
    {
        if (parsed.GetValue(_token) is { } token) return Checked(token.Trim(), "--token");
        if (parsed.GetValue(_tokenFile) is not { } named) return AmbientToken(session, address);
        var path = session.FullPath(named);
        try
        {
            return Checked(File.ReadAllText(path).Trim(), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException($"the token file {path} cannot be read: {e.Message}", e is UnauthorizedAccessException ? ExitCode.Denied : ExitCode.Failed);
        }
    }

    // A header value; anything else than visible ASCII would be refused by the HTTP client with a worse message.
    private static string Checked(string token, string where) => token.Length > 0 && token.All(c => c is > ' ' and < '\x7F')
        ? token
        : throw new CliException($"{where} holds no token: one has visible ASCII characters only, without spaces.", ExitCode.BadConfiguration);
}
