using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;
using Stint.Management;

namespace Stint.EndToEnd.Deployed;

/// <summary>A Compose file that runs, with everything in it, at ports of its own. What it leaves on the engine goes with it, images too.</summary>
internal sealed class ComposeProject : IAsyncDisposable
{
    private const string Name = "stint-test-compose";
    private static readonly string[] Ports = ["STINT_PORT", "STINT_MANAGEMENT", "STINT_PROMETHEUS_PORT", "STINT_MQTT_PORT", "STINT_COUCHDB_PORT"];

    private readonly string _folder = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
    private readonly TestEngine _engine;
    private readonly Dictionary<string, string> _environment;
    private readonly HttpClient _calls;

    private ComposeProject(TestEngine engine)
    {
        _engine = engine;
        _environment = Ports.ToDictionary(static name => name, static _ => $"{FreePorts.Take()}");
        _environment["DOCKER_HOST"] = engine.Address;
        _environment["COMPOSE_HTTP_TIMEOUT"] = "300";
        _calls = Client("STINT_PORT");
    }

    private string File => Path.Combine(_folder, "compose.yaml");

    /// <summary>Makes the images, brings everything up and returns when gateway and workers are healthy.</summary>
    public static async Task<ComposeProject> StartAsync(TestEngine engine, string file)
    {
        var project = new ComposeProject(engine);
        try
        {
            await project.CopyAsync(file);
            await Task.WhenAll(StandInImages.MakeAsync(engine.Client), ImageAsync(engine));
            await project.RunAsync("up", "--detach");
            await Retry.UntilAsync("gateway and workers are healthy", async () => (await project.RunAsync("ps", "core", "worker1", "worker2")).Split("(healthy)").Length == 4, TimeSpan.FromMinutes(3));
            return project;
        }
        catch
        {
            await project.DisposeAsync();
            throw;
        }
    }

    /// <summary>The port of this host that a variable of the file gives.</summary>
    public int Port(string variable) => int.Parse(_environment[variable], System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Speaks to what is behind it.</summary>
    public HttpClient Client(string variable) => new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri($"http://127.0.0.1:{Port(variable)}/"), Timeout = TimeSpan.FromSeconds(100) };

    /// <summary>Calls a function; the body of the answer.</summary>
    public async Task<string> CallAsync(string function, string body)
    {
        using var answer = await _calls.PostAsync(function, new StringContent(body));
        return await answer.Content.ReadAsStringAsync();
    }

    /// <summary>Deploys a function of one file, at the gateway.</summary>
    public async Task DeployAsync(string name, string functionToml, string code)
    {
        using var deployer = new ManagementClient(new Uri($"http://127.0.0.1:{Port("STINT_MANAGEMENT")}/"), await TokenAsync(), TimeProvider.System);
        using var zip = new MemoryStream(FunctionFiles.Zip(("fn.py", code)));
        DeployEventView? last = null;
        await foreach (var step in deployer.DeployAsync(name, functionToml, zip, default)) last = step;
        Assert.True(last?.Event == "deployed", last?.Error?.Message);
    }

    /// <summary>The gateway's metrics.</summary>
    public async Task<string> MetricsAsync()
    {
        using var client = Client("STINT_MANAGEMENT");
        client.DefaultRequestHeaders.Authorization = new("Bearer", await TokenAsync());
        return await client.GetStringAsync("metrics");
    }

    /// <summary>Runs docker-compose; what it prints.</summary>
    public async Task<string> RunAsync(params string[] arguments)
    {
        var done = await ComposeAsync(arguments);
        return done.Code == 0 ? done.Out : throw new InvalidOperationException($"docker-compose {string.Join(' ', arguments)} ended with {done.Code}:\n{done.Out}\n{done.Error}\n{(await ComposeAsync("logs", "--no-color")).Out}");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _calls.Dispose();
        var down = System.IO.File.Exists(File) ? await ComposeAsync("down", "--volumes", "--timeout", "60") : null;
        foreach (var image in (string[])["stint/stint:latest", .. StandInImages.Names]) await Programs.RunAsync(["docker", "-H", _engine.Address, "image", "rm", image], "/");
        Directory.Delete(_folder, recursive: true);
        down?.Good();
    }

    private static async Task ImageAsync(TestEngine engine) => (await Programs.RunAsync([.. Programs.Stint, "image", "build", "stint", "--docker-host", engine.Address], "/")).Good();

    // With the files that it mounts beside it.
    private async Task CopyAsync(string file)
    {
        var text = await System.IO.File.ReadAllTextAsync(file);
        const string systemPaths = ", \"systempaths=unconfined\"", settings = "environment: &settings\n";
        Assert.Contains(systemPaths, text, StringComparison.Ordinal);
        Assert.Contains(settings, text, StringComparison.Ordinal);
        await System.IO.File.WriteAllTextAsync(File, text.Replace(systemPaths, "", StringComparison.Ordinal).Replace(settings, settings + "      STINT_ISOLATION: none\n", StringComparison.Ordinal));
        var beside = Directory.CreateDirectory(Path.Combine(_folder, "compose")).FullName;
        foreach (var mounted in Directory.GetFiles(Path.Combine(Path.GetDirectoryName(file)!, "compose"))) System.IO.File.Copy(mounted, Path.Combine(beside, Path.GetFileName(mounted)));
        // Other users of the containers read them.
        System.IO.File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
    }

    private async Task<string> TokenAsync() => (await RunAsync("exec", "-T", "core", "cat", "/join/management")).Trim();

    private Task<Finished> ComposeAsync(params string[] arguments) => Programs.RunAsync(["docker-compose", "--project-name", Name, "-f", File, .. arguments], "/", "", _environment);
}
