using System.Text.Json;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;
using Stint.Management;

namespace Stint.EndToEnd.Deployed;

/// <summary>A container of the image of Stint, run with Docker's own command line as operators do, and reached at its address on a network of its own.</summary>
internal sealed class StintContainer : IAsyncDisposable
{
    private readonly TestEngine _engine;
    private readonly string _id;
    private string? _token;

    private StintContainer(TestEngine engine, string id, string address)
    {
        (_engine, _id, Address) = (engine, id, address);
        Http = Client(8000);
        Management = Client(8080);
    }

    /// <summary>Its address.</summary>
    public string Address { get; }

    /// <summary>Speaks to the invocation endpoint.</summary>
    public HttpClient Http { get; }

    /// <summary>Speaks to the management endpoint.</summary>
    public HttpClient Management { get; }

    /// <summary>Starts one on a network, and returns when it is ready.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="network">The network's name.</param>
    /// <param name="arguments">Of <c>docker run</c>, the image and its command among them.</param>
    public static async Task<StintContainer> RunAsync(TestEngine engine, string network, params string[] arguments)
    {
        var id = (await DockerAsync(engine, ["run", "--detach", "--network", network, .. arguments])).Trim();
        try
        {
            var address = (await DockerAsync(engine, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id)).Trim();
            var container = new StintContainer(engine, id, address);
            await Retry.UntilAsync("the daemon in the container is ready", async () =>
            {
                if (address.Length == 0 || (await DockerAsync(engine, "inspect", "--format", "{{.State.Running}}", id)).Trim() != "true") throw new InvalidOperationException($"the container ended:\n{await container.LogAsync()}");
                using var answer = await container.Management.GetAsync("readyz");
                return answer.IsSuccessStatusCode;
            }, TimeSpan.FromMinutes(2));
            return container;
        }
        catch
        {
            await Programs.RunAsync(["docker", "-H", engine.Address, "rm", "--force", "--volumes", id], "/");
            throw;
        }
    }

    /// <summary>Runs docker's command line; what it prints.</summary>
    public static async Task<string> DockerAsync(TestEngine engine, params string[] arguments) =>
        (await Programs.RunAsync(["docker", "-H", engine.Address, .. arguments], "/", environment: new Dictionary<string, string> { ["DOCKER_HOST"] = "", ["DOCKER_CONTEXT"] = "" })).Good();

    /// <summary>Runs a program inside; what it prints.</summary>
    public Task<string> ExecAsync(params string[] command) => DockerAsync(_engine, ["exec", _id, .. command]);

    /// <summary>Its log.</summary>
    public async Task<string> LogAsync()
    {
        var log = await Programs.RunAsync(["docker", "-H", _engine.Address, "logs", _id], "/");
        return log.Out + log.Error;
    }

    /// <summary>Deploys a python3 function of one file, with the token that the daemon made for itself.</summary>
    public async Task DeployPythonAsync(string name, string code)
    {
        _token ??= (await ExecAsync("cat", "/var/lib/stint/state/token")).Trim();
        using var client = new ManagementClient(Management.BaseAddress!, _token, TimeProvider.System);
        using var zip = new MemoryStream(FunctionFiles.Zip(("fn.py", code)));
        DeployEventView? last = null;
        await foreach (var step in client.DeployAsync(name, "[process]\nruntime = \"python3\"\n", zip, default)) last = step;
        if (last?.Event != "deployed") throw new InvalidOperationException($"{last?.Error?.Message ?? "no answer"}\n{await LogAsync()}");
    }

    /// <summary>Calls a function.</summary>
    public async Task<(int Status, string Body)> CallAsync(string function, string body)
    {
        using var answer = await Http.PostAsync(function, new StringContent(body));
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>As an operator stops it; the exit code of the daemon.</summary>
    public async Task<int> StopAsync()
    {
        await DockerAsync(_engine, "stop", "--time", "60", _id);
        return JsonDocument.Parse(await DockerAsync(_engine, "inspect", "--format", "{{json .State}}", _id)).RootElement.GetProperty("ExitCode").GetInt32();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        Management.Dispose();
        await DockerAsync(_engine, "rm", "--force", "--volumes", _id);
    }

    private HttpClient Client(int port) => new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri($"http://{Address}:{port}/"), Timeout = TimeSpan.FromSeconds(100) };
}
