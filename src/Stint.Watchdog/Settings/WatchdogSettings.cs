namespace Stint.Watchdog.Settings;

/// <summary>What the environment variables said; <see cref="Variable"/> documents each.</summary>
internal sealed record WatchdogSettings
{
    /// <summary>How requests reach the function.</summary>
    public WatchdogMode Mode { get; init; }

    /// <summary>The program and its arguments; empty with <see cref="WatchdogMode.Static"/>.</summary>
    public IReadOnlyList<string> Process { get; init; } = [];

    /// <summary>TCP port, 0 for a free one.</summary>
    public ushort Port { get; init; } = 8080;

    /// <summary>TCP port of the metrics, 0 for a free one, null for none.</summary>
    public ushort? MetricsPort { get; init; } = 8081;

    /// <summary>For a request to arrive; zero is no limit, as for all of these.</summary>
    public TimeSpan ReadTimeout { get; init; }

    /// <summary>For an answer to leave.</summary>
    public TimeSpan WriteTimeout { get; init; }

    /// <summary>For a process to run.</summary>
    public TimeSpan ExecTimeout { get; init; }

    /// <summary>Between SIGTERM and the end of listening.</summary>
    public TimeSpan HealthcheckInterval { get; init; }

    /// <summary>Requests at a time; 0 is no limit.</summary>
    public int MaxInflight { get; init; }

    /// <summary>Content type of answers, or null for the request's.</summary>
    public string? ContentType { get; init; }

    /// <summary>Whether the process gets header variables.</summary>
    public bool CgiHeaders { get; init; } = true;

    /// <summary>Whether standard error belongs to the answer.</summary>
    public bool CombineOutput { get; init; }

    /// <summary>Whether the process gets JSON.</summary>
    public bool MarshalRequest { get; init; }

    /// <summary>Whether no lock file is written.</summary>
    public bool SuppressLock { get; init; }

    /// <summary>Path of the function's own readiness, or null.</summary>
    public string? ReadyPath { get; init; }

    /// <summary>Where the function listens.</summary>
    public Uri? Upstream { get; init; }

    /// <summary>Whether bodies for it are read whole first.</summary>
    public bool BufferHttp { get; init; }

    /// <summary>Folder of files.</summary>
    public string StaticPath { get; init; } = "/home/app/public";

    /// <summary>Whether the function's log lines get time and stream before them.</summary>
    public bool PrefixLogs { get; init; } = true;

    /// <summary>Bytes of the longest log line.</summary>
    public int LogBufferSize { get; init; } = 65536;

    /// <summary>Whether a request's log line has its call id.</summary>
    public bool LogCallId { get; init; }

    /// <summary>Whether answers are written to standard output.</summary>
    public bool WriteDebug { get; init; }

    /// <summary>Whether headers are written to the log.</summary>
    public bool DebugHeaders { get; init; }

    /// <summary>Most bytes of one body in memory.</summary>
    public int BufferLimit { get; init; } = 256 * 1024 * 1024;

    /// <summary>Content type of an answer whose request has none.</summary>
    public string DefaultContentType => Mode == WatchdogMode.Classic ? "text/plain; charset=utf-8" : "application/octet-stream";
}
