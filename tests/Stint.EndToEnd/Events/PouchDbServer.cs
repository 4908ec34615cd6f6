using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Stint.Backends.Processes.Spawning;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Events;

/// <summary>A real server that speaks CouchDB's API, with its own folder and port. It keeps its databases when it is stopped and started again.</summary>
internal sealed class PouchDbServer : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-couch-").FullName;
    private readonly HttpClient _http;
    private Process? _process;
    private string? _database;

    private PouchDbServer() => _http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{Port}/"), Timeout = TimeSpan.FromSeconds(60) };

    /// <summary>Its port, on the loopback.</summary>
    public int Port { get; } = FreePorts.Take();

    /// <summary>Starts one that knows a user, admin with the password any, and has an empty database of that name.</summary>
    public static async Task<PouchDbServer> StartAsync(string database)
    {
        var server = new PouchDbServer();
        await server.StartAgainAsync();
        await server.PutAsync("_config/admins/admin", "\"any\"");
        server._http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String("admin:any"u8));
        (await server._http.PutAsync(database, null)).EnsureSuccessStatusCode();
        server._database = database;
        return server;
    }

    /// <summary>Starts it again after <see cref="StopAsync"/>.</summary>
    public async Task StartAgainAsync()
    {
        var script = Path.Combine(Programs.Repository, "artifacts", "events-tools", "node_modules", "pouchdb-server", "bin", "pouchdb-server");
        if (!File.Exists(script)) throw new InvalidOperationException($"{script} is not there; tests/Stint.EndToEnd/Events/install-tools.sh installs it");
        _process = new Process { StartInfo = Programs.Prepare(["/usr/bin/env", "node", script, "--port", $"{Port}", "--host", "127.0.0.1", "--dir", _folder, "--no-stdout-logs"], _folder) };
        _process.OutputDataReceived += static (_, _) => { };
        _process.ErrorDataReceived += static (_, _) => { };
        _process.Start();
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await Retry.UntilAsync("the database answers", async () =>
        {
            if (_process.HasExited) throw new InvalidOperationException($"pouchdb-server ended with {_process.ExitCode}");
            using var answer = await _http.GetAsync("");
            return answer.IsSuccessStatusCode;
        }, TimeSpan.FromSeconds(120));
        // Its list of databases is written late: one that was made just before the stop may be missing in it, though its documents are there. 412: it is in the list.
        if (_database is { } database)
        {
            using var made = await _http.PutAsync(database, null);
            Assert.Contains((int)made.StatusCode, new[] { 201, 412 });
        }
    }

    /// <summary>Stops it.</summary>
    public async Task StopAsync()
    {
        Posix.Check(Posix.kill(_process!.Id, 15), "kill");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await _process.WaitForExitAsync(limit.Token);
        _process.Dispose();
        _process = null;
    }

    /// <summary>All documents of a database by id.</summary>
    public async Task<Dictionary<string, JsonElement>> DocumentsAsync(string database)
    {
        var all = await _http.GetFromJsonAsync<JsonElement>($"{database}/_all_docs?include_docs=true");
        return all.GetProperty("rows").EnumerateArray().ToDictionary(static row => row.GetProperty("id").GetString()!, static row => row.GetProperty("doc"));
    }

    /// <summary>Writes a document.</summary>
    public async Task PutAsync(string path, string json) => (await _http.PutAsync(path, new StringContent(json, System.Text.Encoding.UTF8, "application/json"))).EnsureSuccessStatusCode();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        if (_process is { } process)
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
        Directory.Delete(_folder, recursive: true);
    }
}
