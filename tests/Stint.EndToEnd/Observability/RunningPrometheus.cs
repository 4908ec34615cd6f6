using System.Diagnostics;
using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Observability;

/// <summary>A real Prometheus in a folder, which goes with it.</summary>
internal sealed class RunningPrometheus : IAsyncDisposable
{
    private readonly string _folder;
    private readonly Process _process;
    private readonly HttpClient _http;

    public RunningPrometheus(string folder, int port)
    {
        _folder = folder;
        _http = new HttpClient { BaseAddress = new Uri($"http://localhost:{port}/") };
        _process = Process.Start(Programs.Prepare(["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", $"--web.listen-address=localhost:{port}", "--log.level=error"], folder))!;
        _process.OutputDataReceived += static (_, _) => { };
        _process.ErrorDataReceived += static (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Starts one with a configuration of the test's.</summary>
    public static async Task<RunningPrometheus> StartAsync(string configuration)
    {
        var folder = Directory.CreateTempSubdirectory("stint-prometheus-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), configuration);
        var prometheus = new RunningPrometheus(folder, FreePorts.Take());
        await Retry.UntilAsync("Prometheus is ready", prometheus.IsReadyAsync);
        return prometheus;
    }

    /// <summary>Where it listens.</summary>
    public Uri Address => _http.BaseAddress!;

    public async Task<bool> IsReadyAsync()
    {
        using var answer = await _http.GetAsync("-/ready");
        return answer.IsSuccessStatusCode;
    }

    public async Task<JsonElement> AskAsync(string path)
    {
        var answer = JsonDocument.Parse(await _http.GetStringAsync("api/v1/" + path)).RootElement;
        Assert.Equal("success", answer.GetProperty("status").GetString());
        return answer.GetProperty("data");
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
