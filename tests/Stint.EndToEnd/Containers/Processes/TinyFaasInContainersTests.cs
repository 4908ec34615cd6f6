using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Processes;

/// <summary>tinyFaaS's own mode, chosen by its own variable: its scripts, its protocols, its labels.</summary>
[Collection(TestEngine.Collection)]
public sealed class TinyFaasInContainersTests(TestEngine engine) : IAsyncLifetime
{
    private readonly int _coap = FreePorts.Take();
    private readonly int _grpc = FreePorts.Take();
    private StintDaemon _daemon = null!;

    public async Task InitializeAsync() => _daemon = await StintDaemon.StartAsync(new DaemonSetup
    {
        CoapPort = _coap, GrpcPort = _grpc, Environment = new Dictionary<string, string> { ["TF_BACKEND"] = "docker", ["DOCKER_HOST"] = engine.Address },
    });

    public async Task DisposeAsync()
    {
        await _daemon.DisposeAsync();
        Assert.Empty(await DockerMode.ObjectsAsync(engine));
    }

    [Fact]
    public async Task Functions_of_all_runtimes_are_uploaded_called_by_all_protocols_listed_logged_deleted_and_wiped()
    {
        foreach (var (example, env, answer) in new[] { ("hello-python", "python3", "Hello, x, from Python!\n"), ("hello-node", "nodejs", "Hello, x, from Node.js!\n"), ("hello-shell", "binary", "Hello, x, from the shell!\n") })
        {
            (await RunAsync("upload.sh", Path.Combine(Programs.Repository, "examples", example, "code"), example, env, "1")).Good();
            Assert.Equal((200, answer), await _daemon.CallAsync(example, "x"));
            Assert.Equal(answer.TrimEnd('\n'), (await Programs.RunAsync(["coap-client-notls", "-m", "post", "-e", "x", $"coap://127.0.0.1:{_coap}/{example}"], "/")).Good().TrimEnd('\n'));
            Assert.Equal(answer, await GrpcAsync(example, "x"));
        }
        Assert.Equal("hello-node\nhello-python\nhello-shell\n", (await RunAsync("list.sh")).Good());
        await _daemon.DeployPythonAsync("says", "def fn(input, headers):\n    print('said', input)\n    return 'done'\n");
        Assert.Equal((200, "done"), await _daemon.CallAsync("says", "this"));
        await Retry.UntilAsync("the log has it", async () => (await RunAsync("logs.sh", "says")).Good().Contains("said this", StringComparison.Ordinal));
        Assert.Equal("", (await RunAsync("delete.sh", "hello-node")).Good());
        Assert.Equal(404, (await _daemon.CallAsync("hello-node")).Status);
        Assert.Equal("", (await RunAsync("wipe-functions.sh")).Good());
        Assert.Equal("", (await RunAsync("list.sh")).Good());
    }

    [Fact]
    public async Task Threads_are_instances()
    {
        var folder = Path.Combine(_daemon.Root, "two");
        FunctionFiles.Write(folder, ("fn.py", "import socket\ndef fn(input, headers): return 'here'\n"));
        (await RunAsync("upload.sh", folder, "two", "python3", "2")).Good();
        await Retry.UntilAsync("two containers serve it", async () => (await _daemon.DescribeAsync("two")).GetProperty("instances").GetProperty("idle").GetInt32() == 2);
        var instances = (await _daemon.DescribeAsync("two")).GetProperty("instanceList").EnumerateArray().Select(static instance => instance.GetProperty("id").GetString()!).ToList();
        var containers = await engine.Client.Containers.ListAsync(EngineFilters.Label(ContainerLabels.TinyFaas), default);
        foreach (var instance in instances) Assert.Contains(containers, container => container.Labels[ContainerLabels.Instance] == instance && container.IsRunning);
    }

    private async Task<string> GrpcAsync(string function, string data)
    {
        // openfogstack.tinyfaas.tinyfaas.Data { functionIdentifier = 1, data = 2 }; all lengths here are below 128.
        byte[] message = [0x0a, (byte)function.Length, .. Encoding.ASCII.GetBytes(function), 0x12, (byte)data.Length, .. Encoding.ASCII.GetBytes(data)];
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://localhost:{_grpc}/openfogstack.tinyfaas.tinyfaas.TinyFaaS/Request")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent([0, 0, 0, 0, (byte)message.Length, .. message]) { Headers = { ContentType = MediaTypeHeaderValue.Parse("application/grpc") } },
        };
        using var response = await client.SendAsync(request);
        var body = await response.Content.ReadAsByteArrayAsync();
        Assert.Equal("0", Assert.Single(response.TrailingHeaders.GetValues("grpc-status")));
        return Encoding.UTF8.GetString(body.AsSpan(7));
    }

    private Task<Finished> RunAsync(string script, params string[] arguments) =>
        Programs.RunAsync([Path.Combine(Programs.Repository, "scripts", script), .. arguments], "/", "", new Dictionary<string, string> { ["STINT_MANAGEMENT"] = $"http://localhost:{_daemon.ManagementPort}" });
}
