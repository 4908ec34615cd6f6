// One real daemon: its own folders under /tmp, its own ports, its own log. Disposing stops it with SIGTERM and proves that nothing of it is left on the host and that it logged no error that
// the test did not announce (ExpectError).
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Stint.Backends.Processes.Spawning;
using Stint.Management;

namespace Stint.EndToEnd.Fixtures;

/// <summary>A running <c>stint up</c>.</summary>
public sealed class StintDaemon : IAsyncDisposable
{
    private readonly List<string> _log = [];
    private readonly List<string> _output = [];
    private readonly List<string> _expectedErrors = [];
    private readonly bool _ownsRoot;
    private readonly List<NamespaceRelay> _relays = [];
    private Process? _process;

    private StintDaemon(string? root)
    {
        _ownsRoot = root is null;
        Root = root ?? Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        // Sandboxes' users must be able to pass.
        File.SetUnixFileMode(Root, (UnixFileMode)0b111_101_101);
        Directory.CreateDirectory(Temporary);
        Http = Client(HttpPort);
        Management = Client(ManagementPort);
    }

    internal string Root { get; }

    internal string Registry => Path.Combine(Root, "functions");

    internal string State => Path.Combine(Root, "state");

    internal string Run => Path.Combine(Root, "run");

    internal string Temporary => Path.Combine(Root, "tmp");

    internal int HttpPort { get; } = FreePorts.Take();

    internal int ManagementPort { get; } = FreePorts.Take();

    /// <summary>Speaks to the invocation endpoint.</summary>
    internal HttpClient Http { get; }

    /// <summary>Speaks to the management endpoint.</summary>
    internal HttpClient Management { get; }

    internal int ProcessId => _process!.Id;

    /// <summary>The daemon's log so far.</summary>
    internal string Log
    {
        get { lock (_log) return string.Join('\n', _log); }
    }

    /// <summary>What it printed besides.</summary>
    internal string Output
    {
        get { lock (_output) return string.Join('\n', _output); }
    }

    /// <summary>Starts a daemon and returns when it is ready.</summary>
    internal static Task<StintDaemon> StartAsync(params string[] flags) => StartAsync(new DaemonSetup { Flags = flags });

    /// <summary>Starts a daemon and returns when it is ready.</summary>
    internal static async Task<StintDaemon> StartAsync(DaemonSetup setup)
    {
        var daemon = new StintDaemon(setup.Root);
        setup.Before?.Invoke(daemon);
        if (setup.Namespace is { } ns) daemon._relays.AddRange([new NamespaceRelay(ns, daemon.HttpPort), new NamespaceRelay(ns, daemon.ManagementPort)]);
        daemon.Launch(setup);
        try
        {
            await Retry.UntilAsync("the daemon is ready", async () =>
            {
                if (daemon._process!.HasExited) throw new InvalidOperationException($"the daemon ended with {daemon._process.ExitCode}:\n{daemon.Log}");
                using var answer = await daemon.Management.GetAsync("readyz");
                return answer.IsSuccessStatusCode;
            });
        }
        catch
        {
            await daemon.GiveUpAsync();
            throw;
        }
        return daemon;
    }

    /// <summary>Ends a daemon that did not become ready, and removes its folder.</summary>
    private async Task GiveUpAsync()
    {
        if (!_process!.HasExited) _process.Kill(entireProcessTree: true);
        await ExitAsync();
        _process.Dispose();
        Http.Dispose();
        Management.Dispose();
        foreach (var relay in _relays) await relay.DisposeAsync();
        try
        {
            if (_ownsRoot) Directory.Delete(Root, recursive: true);
        }
        catch (IOException)
        {
            // Why it did not become ready is what is to be said.
        }
    }

    /// <summary>An error in the daemon's log that contains this text is part of the test.</summary>
    internal void ExpectError(string text) => _expectedErrors.Add(text);

    /// <summary>Waits for a line of the log.</summary>
    internal Task WaitForLogAsync(string text) => Retry.UntilAsync($"the daemon logs '{text}'", () => Log.Contains(text, StringComparison.Ordinal));

    /// <summary>Deploys through the management API, as the command line does; without files: without code.</summary>
    /// <exception cref="InvalidOperationException">It was refused, with the daemon's message.</exception>
    internal async Task DeployAsync(string name, string toml, params (string Path, string Text)[] files)
    {
        using var client = new ManagementClient(Management.BaseAddress!, null, TimeProvider.System);
        using var zip = files.Length == 0 ? null : new MemoryStream(FunctionFiles.Zip(files));
        DeployEventView? last = null;
        await foreach (var step in client.DeployAsync(name, toml, zip, default)) last = step;
        if (last?.Event != "deployed") throw new InvalidOperationException(last?.Error?.Message ?? "no answer");
    }

    /// <summary>Deploys a python3 function of one file; <paramref name="process"/> are further lines of <c>[process]</c>.</summary>
    internal Task DeployPythonAsync(string name, string code, string process = "", string top = "") =>
        DeployAsync(name, $"{top}\n[process]\nruntime = \"python3\"\n{process}\n", ("fn.py", code));

    /// <summary>Calls a function: POST with a text; status and body.</summary>
    internal async Task<(int Status, string Body)> CallAsync(string target, string body = "")
    {
        using var answer = await Http.PostAsync(target, new StringContent(body));
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>A request to the management API as tinyFaaS's scripts make it: <c>curl --data</c>.</summary>
    internal async Task<(int Status, string Body)> ManageAsync(string path, string? json = null, HttpMethod? method = null)
    {
        using var request = new HttpRequestMessage(method ?? (json is null ? HttpMethod.Get : HttpMethod.Post), path);
        if (json is not null) request.Content = new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue("application/x-www-form-urlencoded"));
        using var answer = await Management.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>One function as <c>stint describe --json</c> has it.</summary>
    internal async Task<JsonElement> DescribeAsync(string name) => JsonDocument.Parse(await Management.GetStringAsync($"stint/v1/functions/{name}")).RootElement;

    /// <summary>A function's log, as lines.</summary>
    internal async Task<string> LogsAsync(string name) => await Management.GetStringAsync($"logs?name={name}");

    /// <summary>Runs a command of the command line against this daemon.</summary>
    internal Task<Finished> CliAsync(params string[] arguments) => CliAsync(arguments, "");

    /// <summary>Runs a command of the command line against this daemon, with standard input.</summary>
    internal Task<Finished> CliAsync(string[] arguments, string input, string? folder = null) =>
        Programs.RunAsync([.. Programs.Stint, .. arguments], folder ?? Root, input, new Dictionary<string, string> { ["STINT_MANAGEMENT"] = $"http://localhost:{ManagementPort}", ["TMPDIR"] = Temporary });

    /// <summary>Sends a signal.</summary>
    internal void Signal(int signal) => Posix.Check(Posix.kill(ProcessId, signal), "kill");

    /// <summary>Waits for its end.</summary>
    internal async Task<int> ExitAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _process!.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    /// <summary>Ends it at once, as a crash would. What it leaves is not looked at.</summary>
    internal async Task KillAsync()
    {
        Signal(Posix.SigKill);
        await ExitAsync();
    }

    /// <summary>What a reading of <c>/proc/PID/status</c> says, in KiB.</summary>
    internal long StatusKiB(string key) => long.Parse(
        File.ReadLines($"/proc/{ProcessId}/status").First(line => line.StartsWith(key + ":", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>What of this daemon is still on the host.</summary>
    internal IReadOnlyList<string> FindLeftovers() => Leftovers.Of(Root, State, Run, Temporary);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        Management.Dispose();
        foreach (var relay in _relays) await relay.DisposeAsync();
        try
        {
            if (!_process!.HasExited)
            {
                Signal(15);
                var code = await ExitAsync();
                if (code != 0) throw new InvalidOperationException($"the daemon ended with {code}:\n{Log}");
            }
            if (_ownsRoot) await RequireNothingLeftAsync();
        }
        finally
        {
            if (!_process!.HasExited) _process.Kill(entireProcessTree: true);
            _process.Dispose();
            if (_ownsRoot && Directory.Exists(Root)) Directory.Delete(Root, recursive: true);
        }
    }

    /// <summary>Fails when something is left of it, or when it logged an error that nobody expected.</summary>
    internal async Task RequireNothingLeftAsync()
    {
        // The kernel takes a moment to reap what was killed.
        for (var attempt = 0; attempt < 400 && FindLeftovers().Count > 0; attempt++) await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        var left = FindLeftovers();
        if (left.Count > 0) throw new InvalidOperationException($"left behind:\n{string.Join('\n', left)}\n--- log\n{Log}");
        var errors = Log.Split('\n').Where(line => line.Contains(" fail: ", StringComparison.Ordinal) || line.Contains(" crit: ", StringComparison.Ordinal) || line.Contains("Unhandled exception", StringComparison.Ordinal))
            .Where(line => !_expectedErrors.Any(expected => line.Contains(expected, StringComparison.Ordinal))).ToList();
        if (errors.Count > 0) throw new InvalidOperationException($"logged errors:\n{string.Join('\n', errors)}");
    }

    private void Launch(DaemonSetup setup)
    {
        string[] command =
        [
            .. setup.Namespace is { } ns ? NamespaceRelay.Enter(ns) : [], .. setup.Prefix, .. Programs.Stint, .. setup.IsWorker ? (string[])["worker"] : ["up", "--registry", Registry],
            "--state", State, "--run", Run, "--management-port", $"{ManagementPort}",
            .. setup.IsWorker ? (string[])[] : ["--http-port", $"{HttpPort}", "--coap-port", $"{setup.CoapPort}", "--grpc-port", $"{setup.GrpcPort}"], .. setup.Flags,
        ];
        var environment = new Dictionary<string, string>(setup.Environment) { ["TMPDIR"] = Temporary };
        if (setup.Namespace is null) environment.TryAdd("STINT_NETWORK_DEFAULT", "none");
        var start = Programs.Prepare(command, Root, environment);
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Keep(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(_log, line.Data);
        _process.Start();
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    private static void Keep(List<string> lines, string? line)
    {
        if (line is null) return;
        lock (lines) lines.Add(line);
    }

    private static HttpClient Client(int port) =>
        new(new ConnectionFaults(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, MaxConnectionsPerServer = 512 })) { BaseAddress = new Uri($"http://localhost:{port}/"), Timeout = TimeSpan.FromSeconds(100) };
}
