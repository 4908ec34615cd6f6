using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;
using Stint.Management;

namespace Stint.EndToEnd.Deployed;

/// <summary><c>deploy/compose.yaml</c>: by the Compose Specification's schema, by docker-compose, and, as far as images can be had without a registry, run.</summary>
[Collection(TestEngine.Collection)]
public sealed class ComposeTests(TestEngine engine)
{
    private const string Project = "stint-test-compose";
    private static readonly string Compose = Path.Combine(Programs.Repository, "deploy/compose.yaml");

    [Fact]
    public async Task The_file_follows_the_specification_and_names_what_a_cluster_has()
    {
        var services = (await Tools.NodeAsync("check-compose.mjs", Compose)).Good().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["core", "couchdb", "join", "mosquitto", "postgres", "prepare", "prometheus", "worker1", "worker2"], services);
        (await Programs.RunAsync(["docker-compose", "-f", Compose, "config", "--quiet"], "/")).Good();
    }

    [Fact]
    public async Task A_file_with_a_mistake_is_refused()
    {
        var folder = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            var wrong = Path.Combine(folder, "compose.yaml");
            await File.WriteAllTextAsync(wrong, (await File.ReadAllTextAsync(Compose)).Replace("cap_drop: [ALL]", "cap_drops: [ALL]", StringComparison.Ordinal));
            var refused = await Tools.NodeAsync("check-compose.mjs", wrong);
            Assert.Equal(1, refused.Code);
            Assert.Contains("cap_drops", refused.Error, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Prometheus_understands_its_settings()
    {
        var folder = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            // It wants to see the file with the token.
            var token = Path.Combine(folder, "management");
            await File.WriteAllTextAsync(token, "x");
            var settings = Path.Combine(folder, "prometheus.yml");
            await File.WriteAllTextAsync(settings, (await File.ReadAllTextAsync(Path.Combine(Programs.Repository, "deploy/compose/prometheus.yml"))).Replace("/join/management", token, StringComparison.Ordinal));
            (await Programs.RunAsync(["promtool", "check", "config", settings], "/")).Good();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // Gateway, workers and PostgreSQL are as the file has them, with two exceptions: PostgreSQL's image is a stand-in (PostgresImage), and workers keep functions apart by nothing, because Debian's docker-compose
    // (version 1) does not know how to ask the engine for "systempaths=unconfined". That sandboxes work with it is StintImageTests' matter.
    [Fact]
    public async Task Gateway_and_workers_come_up_run_a_function_and_go()
    {
        var folder = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        var file = Path.Combine(folder, "compose.yaml");
        var text = await File.ReadAllTextAsync(Compose);
        const string systemPaths = ", \"systempaths=unconfined\"", settings = "environment: &settings\n";
        Assert.Contains(systemPaths, text, StringComparison.Ordinal);
        Assert.Contains(settings, text, StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, text.Replace(systemPaths, "", StringComparison.Ordinal).Replace(settings, settings + "      STINT_ISOLATION: none\n", StringComparison.Ordinal));
        (await Programs.RunAsync([.. Programs.Stint, "image", "build", "stint", "--docker-host", engine.Address], "/")).Good();
        await PostgresImage.MakeAsync(engine.Client, "postgres:17");
        var (http, management) = (FreePorts.Take(), FreePorts.Take());
        var environment = new Dictionary<string, string> { ["DOCKER_HOST"] = engine.Address, ["STINT_PORT"] = $"{http}", ["STINT_MANAGEMENT"] = $"{management}", ["COMPOSE_HTTP_TIMEOUT"] = "300" };
        try
        {
            await ComposeAsync("up", "--detach", "core", "worker1", "worker2");
            using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(100) };
            await Retry.UntilAsync("the workers are healthy", async () => (await ComposeAsync("ps", "core", "worker1", "worker2")).Split("(healthy)").Length == 4, TimeSpan.FromMinutes(3));
            var token = (await ComposeAsync("exec", "-T", "core", "cat", "/join/management")).Trim();
            using var deployer = new ManagementClient(new Uri($"http://127.0.0.1:{management}/"), token, TimeProvider.System);
            using var zip = new MemoryStream(FunctionFiles.Zip(("fn.py", "def fn(input): return input + '!'\n")));
            DeployEventView? last = null;
            await foreach (var step in deployer.DeployAsync("greet", "[process]\nruntime = \"python3\"\n", zip, default)) last = step;
            Assert.True(last?.Event == "deployed", last?.Error?.Message);
            for (var call = 0; call < 6; call++)
            {
                using var answer = await client.PostAsync(new Uri($"http://127.0.0.1:{http}/greet"), new StringContent($"{call}"));
                Assert.Equal($"{call}!", await answer.Content.ReadAsStringAsync());
            }
            var nodes = await ComposeAsync("exec", "-T", "core", "stint", "cluster", "ls");
            foreach (var name in (string[])["core", "worker1", "worker2"]) Assert.Contains(name, nodes, StringComparison.Ordinal);
            // An upgrade: containers go and come back, what is in volumes stays.
            await ComposeAsync("up", "--detach", "--force-recreate", "--no-deps", "core");
            await Retry.UntilAsync("the gateway is back", async () =>
            {
                using var answer = await client.PostAsync(new Uri($"http://127.0.0.1:{http}/greet"), new StringContent("again"));
                return await answer.Content.ReadAsStringAsync() == "again!";
            }, TimeSpan.FromMinutes(2));
        }
        finally
        {
            await ComposeAsync("down", "--volumes", "--timeout", "60");
            foreach (var image in (string[])["stint/stint:latest", "postgres:17"]) await Programs.RunAsync(["docker", "-H", engine.Address, "image", "rm", image], "/");
            Directory.Delete(folder, recursive: true);
        }

        async Task<string> ComposeAsync(params string[] arguments)
        {
            var done = await Programs.RunAsync(["docker-compose", "--project-name", Project, "-f", file, .. arguments], "/", "", environment);
            if (done.Code == 0) return done.Out;
            var log = await Programs.RunAsync(["docker-compose", "--project-name", Project, "-f", file, "logs", "--no-color"], "/", "", environment);
            throw new InvalidOperationException($"docker-compose {string.Join(' ', arguments)} ended with {done.Code}:\n{done.Out}\n{done.Error}\n{log.Out}");
        }
    }
}
