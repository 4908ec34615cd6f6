using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Stint.EndToEnd.Grpc;

/// <summary>The real program with the functions of this folder, and the clients that call it. Owns its process and its files; at the end both are gone, and nothing was logged as an error.</summary>
public sealed partial class GrpcDaemon : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    private readonly string _folder = Directory.CreateTempSubdirectory("stint-grpc-").FullName;
    private readonly StringBuilder _log = new();
    private readonly TaskCompletionSource<string> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Process? _process;

    /// <summary>Where it takes gRPC, <c>localhost:PORT</c>.</summary>
    public string Address { get; private set; } = "";

    /// <summary>Whether the clients are there. When they cannot be installed the tests pass without them, except under CI=true.</summary>
    public bool HasTools { get; private set; }

    /// <summary>The clone's folder.</summary>
    public static string Root { get; } = FindRoot();

    private static string Here => Path.Combine(Root, "tests", "Stint.EndToEnd", "Grpc");

    private static string Tools => Path.Combine(Root, "artifacts", "grpc-tools");

    private string Shared => Path.Combine(_folder, "shared");

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        var (exitCode, output) = await RunAsync("sh", [Path.Combine(Here, "install-tools.sh")]);
        HasTools = exitCode == 0;
        if (!HasTools && Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail($"the gRPC clients could not be installed:\n{output}");

        // Functions run as an unprivileged user, who must be able to get here.
        const UnixFileMode Passable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(_folder, Passable);
        Directory.CreateDirectory(Shared);
        File.SetUnixFileMode(Shared, Passable | UnixFileMode.OtherRead | UnixFileMode.OtherWrite);
        await RunAsync("cp", ["-r", Path.Combine(Here, "functions"), Path.Combine(_folder, "functions")]);

        // Without a sandbox, so that functions and scenarios can share files.
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "stint"),
        [
            "up", "--isolation", "none", "--http-port", "0", "--grpc-port", "0", "--coap-port", "-1", "--management-port", "0",
            "--registry", Path.Combine(_folder, "functions"), "--state", Path.Combine(_folder, "state"), "--run", Path.Combine(_folder, "run"),
        ])
        { RedirectStandardError = true };
        // A default that all daemons of a machine share.
        start.Environment["STINT_FUNLESS_PORT"] = "-1";
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) => OnLine(line.Data);
        _process.BeginErrorReadLine();
        Address = await _address.Task.WaitAsync(Limit);
    }

    /// <summary>Runs a scenario of <c>python/scenarios.py</c>.</summary>
    public Task PythonAsync(string scenario) => ScenarioAsync("/usr/bin/python3", "-B", Path.Combine(Here, "python", "scenarios.py"), Address, Shared, scenario);

    /// <summary>Runs a scenario of <c>node/scenarios.js</c>.</summary>
    public Task NodeAsync(string scenario) => ScenarioAsync("node", Path.Combine(Here, "node", "scenarios.js"), Address, Shared, scenario, Path.Combine(Root, "proto"));

    /// <summary>Runs one of the examples and returns what it prints.</summary>
    public static async Task<string> ExampleAsync(string program, params string[] args)
    {
        var (exitCode, output) = await RunAsync(program, args);
        Assert.True(exitCode == 0, output);
        return output.Trim();
    }

    /// <summary>Starts a scenario of <c>python/scenarios.py</c> and returns when it has printed its first line.</summary>
    public async Task<Process> BeginPythonAsync(string scenario)
    {
        var process = Process.Start(Prepare("/usr/bin/python3", ["-B", Path.Combine(Here, "python", "scenarios.py"), Address, Shared, scenario]))!;
        Assert.NotNull(await process.StandardOutput.ReadLineAsync().WaitAsync(Limit));
        return process;
    }

    /// <summary>Stops the daemon as an operator would, and checks that it leaves well.</summary>
    public async Task StopAsync()
    {
        if (_process is null) return;
        using var process = _process;
        _process = null;
        using (var kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)])) await kill.WaitForExitAsync();
        await process.WaitForExitAsync().WaitAsync(Limit);
        Assert.True(process.ExitCode == 0, _log.ToString());
        Assert.DoesNotContain(" fail: ", _log.ToString(), StringComparison.Ordinal);
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        try
        {
            await StopAsync();
        }
        finally
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private async Task ScenarioAsync(string program, params string[] args)
    {
        if (!HasTools) return;
        var (exitCode, output) = await RunAsync(program, args);
        Assert.True(exitCode == 0, $"{output}\nThe daemon's log:\n{_log}");
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(string program, string[] args)
    {
        using var process = Process.Start(Prepare(program, args))!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Limit);
        return (process.ExitCode, await output + await error);
    }

    private static ProcessStartInfo Prepare(string program, string[] args)
    {
        var start = new ProcessStartInfo(program, args) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Root };
        start.Environment["PYTHONPATH"] = Path.Combine(Tools, "python");
        start.Environment["NODE_PATH"] = Path.Combine(Tools, "node", "node_modules");
        return start;
    }

    private void OnLine(string? line)
    {
        if (line is null)
        {
            _address.TrySetException(new IOException($"the daemon ended:\n{_log}"));
            return;
        }
        lock (_log) _log.AppendLine(line);
        if (GrpcLine().Match(line) is { Success: true } match) _address.TrySetResult(match.Groups[1].Value);
    }

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Stint.slnx"))) folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests do not run in a clone of the repository");
        return folder;
    }

    [GeneratedRegex("grpc at grpc://(localhost:[0-9]+)")]
    private static partial Regex GrpcLine();
}
