namespace Stint.Watchdog.Settings;

/// <summary>One environment variable: docs/watchdog.md has a row for each.</summary>
/// <param name="Name">Its name; an alias after it, where there is one, wins when both are set.</param>
/// <param name="Alias">The other name, or null.</param>
/// <param name="Default">What holds without it, in words.</param>
/// <param name="Meaning">What it does, in one sentence.</param>
internal sealed record Variable(string Name, string? Alias, string Default, string Meaning)
{
    /// <summary>The process per request.</summary>
    public static readonly Variable Process = new("fprocess", "function_process", "required, but for `static`", "The program and its arguments, split on spaces: run for each request, or once with `mode=http`.");

    /// <summary>How requests reach the process.</summary>
    public static readonly Variable Mode = new("mode", null, "the classic watchdog's way", "`streaming`, `serializing`, `http` or `static`; see the table of modes.");

    /// <summary>Content type of answers.</summary>
    public static readonly Variable ContentType = new("content_type", null, "the request's; else `text/plain; charset=utf-8`, with `mode` set `application/octet-stream`", "Content-Type of every answer of a process.");

    /// <summary>Reading limit.</summary>
    public static readonly Variable ReadTimeout = new("read_timeout", null, "30s; with `mode` 10s", "For the whole request to arrive, and for how long an idle connection stays open. 0: no limit.");

    /// <summary>Writing limit.</summary>
    public static readonly Variable WriteTimeout = new("write_timeout", null, "30s; with `mode` 10s", "From the end of a request's head to the end of its answer; then the process is killed. Also the longest wait for running calls when stopping. 0: no limit.");

    /// <summary>Execution limit.</summary>
    public static readonly Variable ExecTimeout = new("exec_timeout", "hard_timeout", "none; with `mode` 10s", "For one process, or one answer with `mode=http`: then its whole process group is killed and the answer is 504. 0: no limit.");

    /// <summary>Time for the orchestrator to see that this instance is going.</summary>
    public static readonly Variable HealthcheckInterval = new("healthcheck_interval", null, "`write_timeout`", "How long after SIGTERM requests are still taken, with the health check failing already.");

    /// <summary>Concurrency limit.</summary>
    public static readonly Variable MaxInflight = new("max_inflight", null, "0: no limit", "Requests at a time; more are answered 429.");

    /// <summary>Lock file.</summary>
    public static readonly Variable SuppressLock = new("suppress_lock", null, "false", "Do not write `.lock` to the folder for temporary files (`TMPDIR`, else `/tmp`). Health checks then do not ask for it.");

    /// <summary>Header variables.</summary>
    public static readonly Variable CgiHeaders = new("cgi_headers", null, "true", "Give the process `Http_…` variables.");

    /// <summary>Standard error with the answer.</summary>
    public static readonly Variable CombineOutput = new("combine_output", null, "true; with `mode` false", "Put the process's standard error into the answer; else it goes to the log.");

    /// <summary>JSON input.</summary>
    public static readonly Variable MarshalRequest = new("marshal_request", null, "false", "Give the process JSON: `{\"header\":{NAME:[VALUES]},\"body\":{\"raw\":BASE64}}`.");

    /// <summary>Log answers.</summary>
    public static readonly Variable WriteDebug = new("write_debug", null, "false", "Write what a process answered to standard output too.");

    /// <summary>Log headers.</summary>
    public static readonly Variable DebugHeaders = new("debug_headers", null, "false", "Write each request's headers to the log.");

    /// <summary>Prefix of the function's log lines.</summary>
    public static readonly Variable PrefixLogs = new("prefix_logs", null, "true", "Put the time and the stream's name before each line of the process.");

    /// <summary>Longest log line.</summary>
    public static readonly Variable LogBufferSize = new("log_buffer_size", null, "65536", "Bytes of the longest line of the process that is logged as one.");

    /// <summary>Call ids in the log.</summary>
    public static readonly Variable LogCallId = new("log_call_id", null, "false", "End each request's log line with its `X-Call-Id`.");

    /// <summary>Where the process listens.</summary>
    public static readonly Variable UpstreamUrl = new("upstream_url", "http_upstream_url", "required with `http`", "Where the process listens: `http://127.0.0.1:3000`. A name must be `localhost` or in `/etc/hosts`.");

    /// <summary>Buffer bodies for the upstream.</summary>
    public static readonly Variable BufferHttp = new("buffer_http", "http_buffer_req_body", "false", "With `http`: read a body whole and send it with its length, for servers that cannot take chunks.");

    /// <summary>Folder of files.</summary>
    public static readonly Variable StaticPath = new("static_path", null, "`/home/app/public`", "With `static`: the folder to serve.");

    /// <summary>The function's own readiness.</summary>
    public static readonly Variable ReadyPath = new("ready_path", null, "none", "`/_/ready` is answered by the function, called with GET and this path.");

    /// <summary>TCP port.</summary>
    public static readonly Variable Port = new("port", null, "8080", "TCP port, on all addresses. 0: a free one, named in the log.");

    /// <summary>TCP port of metrics.</summary>
    public static readonly Variable MetricsPort = new("metrics_port", null, "8081", "TCP port of `/metrics` and `/healthz`; ours. 0: a free one; `off`: none.");

    /// <summary>Bound of buffered bodies.</summary>
    public static readonly Variable BufferLimit = new("buffer_limit", null, "268435456", "Bytes of a request or an answer that is kept in memory (`serializing`, `marshal_request`, `buffer_http`); ours. A larger request is answered 413, a larger answer becomes 500.");

    /// <summary>All of them, in the order of the documentation.</summary>
    public static readonly Variable[] All =
    [
        Process, Mode, Port, ReadTimeout, WriteTimeout, ExecTimeout, HealthcheckInterval, MaxInflight, ContentType, CgiHeaders, CombineOutput, MarshalRequest, SuppressLock, ReadyPath,
        UpstreamUrl, BufferHttp, StaticPath, PrefixLogs, LogBufferSize, LogCallId, WriteDebug, DebugHeaders, MetricsPort, BufferLimit,
    ];
}
