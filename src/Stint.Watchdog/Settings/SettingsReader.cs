using System.Globalization;

namespace Stint.Watchdog.Settings;

/// <summary>
/// Reads the variables. A value that cannot be used is a warning and its default holds, as in the watchdogs that images were made for; without what is indispensable there is an error.
/// </summary>
internal sealed class SettingsReader(Func<string, string?> variables)
{
    /// <summary>What was set but cannot be used.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>Why the watchdog cannot start.</summary>
    public List<string> Errors { get; } = [];

    /// <summary>Reads all. The result is of use only without <see cref="Errors"/>.</summary>
    public WatchdogSettings Read()
    {
        var mode = ReadMode();
        var forked = mode == WatchdogMode.Classic;
        var usual = TimeSpan.FromSeconds(forked ? 30 : 10);
        var writeTimeout = Duration(Variable.WriteTimeout, usual);
        var settings = new WatchdogSettings
        {
            Mode = mode,
            Process = (Text(Variable.Process) ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries),
            Port = PortNumber(Variable.Port, 8080) ?? 8080,
            MetricsPort = PortNumber(Variable.MetricsPort, 8081),
            ReadTimeout = Duration(Variable.ReadTimeout, usual),
            WriteTimeout = writeTimeout,
            ExecTimeout = Duration(Variable.ExecTimeout, forked ? TimeSpan.Zero : usual),
            HealthcheckInterval = Duration(Variable.HealthcheckInterval, writeTimeout),
            MaxInflight = Number(Variable.MaxInflight, 0),
            ContentType = ReadContentType(),
            CgiHeaders = Flag(Variable.CgiHeaders, true),
            CombineOutput = Flag(Variable.CombineOutput, forked),
            MarshalRequest = Flag(Variable.MarshalRequest, false),
            SuppressLock = Flag(Variable.SuppressLock, false),
            ReadyPath = ReadReadyPath(),
            Upstream = mode == WatchdogMode.Http ? ReadUpstream() : null,
            BufferHttp = Flag(Variable.BufferHttp, false),
            StaticPath = Text(Variable.StaticPath) ?? "/home/app/public",
            PrefixLogs = Flag(Variable.PrefixLogs, true),
            LogBufferSize = Math.Max(64, Number(Variable.LogBufferSize, 65536)),
            LogCallId = Flag(Variable.LogCallId, false),
            WriteDebug = Flag(Variable.WriteDebug, false),
            DebugHeaders = Flag(Variable.DebugHeaders, false),
            BufferLimit = Number(Variable.BufferLimit, 256 * 1024 * 1024),
        };
        if (settings.Process.Count == 0 && mode != WatchdogMode.Static)
            Errors.Add("there is nothing to run: set fprocess (or function_process) to the program and its arguments, for example fprocess=\"cat\"");
        if (mode == WatchdogMode.Static && !Directory.Exists(settings.StaticPath))
            Errors.Add($"mode=static serves static_path, but there is no folder {settings.StaticPath}: copy the files there, or set static_path");
        // Going on without the protection that somebody asked for would be worse than not starting.
        if (variables("jwt_auth") == "true") Errors.Add("jwt_auth is not supported: remove it, and protect the function at the gateway");
        return settings;
    }

    private WatchdogMode ReadMode()
    {
        switch (Text(Variable.Mode))
        {
            case null: return WatchdogMode.Classic;
            case "streaming": return WatchdogMode.Streaming;
            case "serializing": return WatchdogMode.Serializing;
            case "http": return WatchdogMode.Http;
            case "static": return WatchdogMode.Static;
            case var other:
                Errors.Add($"mode={other} is not known: set streaming, serializing, http or static, or leave it out");
                return WatchdogMode.Classic;
        }
    }

    private string? ReadContentType()
    {
        var type = Text(Variable.ContentType);
        if (type is null || type.All(static c => c is >= ' ' and <= '~')) return type;
        Warnings.Add("content_type has characters that a header cannot have; it is ignored");
        return null;
    }

    private string? ReadReadyPath()
    {
        var path = Text(Variable.ReadyPath);
        if (path is null || (path[0] == '/' && path.All(static c => c is > ' ' and <= '~'))) return path;
        Warnings.Add($"ready_path={path} is not a path that begins with /; it is ignored");
        return null;
    }

    private Uri? ReadUpstream()
    {
        var text = Text(Variable.UpstreamUrl);
        if (text is not null && Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme == "http") return url;
        Errors.Add($"mode=http needs upstream_url, the address at which the process listens, for example http://127.0.0.1:3000{(text is null ? "" : $"; {text} is none")}");
        return null;
    }

    private string? Text(Variable variable)
    {
        var value = variable.Alias is { } alias ? variables(alias) : null;
        if (string.IsNullOrEmpty(value)) value = variables(variable.Name);
        return string.IsNullOrEmpty(value) ? null : value;
    }

    private TimeSpan Duration(Variable variable, TimeSpan usual)
    {
        if (Text(variable) is not { } text) return usual;
        if (GoDuration.TryParse(text, out var duration)) return duration;
        Warnings.Add($"{variable.Name}={text} is not a duration such as 20, 20s or 1m30s; {GoDuration.Format(usual)} holds");
        return usual;
    }

    private int Number(Variable variable, int usual)
    {
        if (Text(variable) is not { } text) return usual;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return number;
        Warnings.Add($"{variable.Name}={text} is not a whole number; {usual} holds");
        return usual;
    }

    private ushort? PortNumber(Variable variable, ushort usual)
    {
        if (Text(variable) is not { } text) return usual;
        if (text == "off" && variable == Variable.MetricsPort) return null;
        if (ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return number;
        Warnings.Add($"{variable.Name}={text} is not a port, 0 to 65535; {usual} holds");
        return usual;
    }

    private bool Flag(Variable variable, bool usual)
    {
        switch (Text(variable))
        {
            case null: return usual;
            case "true" or "1": return true;
            case "false" or "0": return false;
            case var other:
                // As both watchdogs have it: whatever is not true is not.
                Warnings.Add($"{variable.Name}={other} is neither true nor false; it is taken for false");
                return false;
        }
    }
}
