using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Deployed;

/// <summary><c>deploy/compose.yaml</c>: by the Compose Specification's schema, by docker-compose, and run.</summary>
[Collection(TestEngine.Collection)]
public sealed class ComposeTests(TestEngine engine)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
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

    // All of it is as the file has it, with two exceptions: other people's images are stand-ins (StandInImages), and workers keep functions apart by nothing, because Debian's docker-compose (version 1) does not know how
    // to ask the engine for "systempaths=unconfined". That sandboxes work with it is StintImageTests' matter.
    [Fact]
    public async Task All_of_it_comes_up_works_together_and_goes()
    {
        await using var project = await ComposeProject.StartAsync(engine, Compose);
        await project.DeployAsync("greet", """
            [process]
            runtime = "python3"

            [[event]]
            type = "mqtt"
            host = "mosquitto"
            topic = "greet"

            [[sink]]
            type = "couchdb"
            url = "http://couchdb:5984/results"
            username = "stint"
            password = "only-for-trying"

            """, "def fn(input):\n    text = input if isinstance(input, str) else input.decode()\n    return 'Hello, ' + text + '!'\n");
        // A caller's result, and a message's, are documents of the database.
        using var database = project.Client("STINT_COUCHDB_PORT");
        database.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String("stint:only-for-trying"u8));
        await Retry.UntilAsync("the database is there", async () =>
        {
            using var made = await database.PutAsync("results", null);
            return made.StatusCode is HttpStatusCode.Created or HttpStatusCode.PreconditionFailed;
        }, Patience);
        Assert.Equal("Hello, Ada!", await project.CallAsync("greet", "Ada"));
        await Retry.UntilAsync("both results are in the database", async () =>
        {
            // Again and again: until the gateway has subscribed, nobody hears it.
            (await Programs.RunAsync(["mosquitto_pub", "-h", "127.0.0.1", "-p", $"{project.Port("STINT_MQTT_PORT")}", "-t", "greet", "-m", "Bob"], "/")).Good();
            var results = await database.GetStringAsync("results/_all_docs?include_docs=true");
            return results.Contains("\"Hello, Ada!\"", StringComparison.Ordinal) && results.Contains("\"Hello, Bob!\"", StringComparison.Ordinal);
        }, Patience);
        // Prometheus reaches gateway and workers with their token, and the gateway goes by what it knows of them.
        using var prometheus = project.Client("STINT_PROMETHEUS_PORT");
        await Retry.UntilAsync("Prometheus has all three", async () =>
        {
            using var answer = JsonDocument.Parse(await prometheus.GetStringAsync("api/v1/query?query=up"));
            return answer.RootElement.GetProperty("data").GetProperty("result").EnumerateArray().Count(static series => series.GetProperty("value")[1].GetString() == "1") == 3;
        }, Patience);
        await Retry.UntilAsync("the gateway knows all three from it", async () => (await project.MetricsAsync()).Contains("\nstint_prometheus_machines 3\n", StringComparison.Ordinal), Patience);
        for (var call = 0; call < 6; call++) Assert.Equal($"Hello, {call}!", await project.CallAsync("greet", $"{call}"));
        var nodes = await project.RunAsync("exec", "-T", "core", "stint", "cluster", "ls");
        foreach (var name in (string[])["core", "worker1", "worker2"]) Assert.Contains(name, nodes, StringComparison.Ordinal);
        // An upgrade: containers go and come back, what is in volumes stays.
        await project.RunAsync("up", "--detach", "--force-recreate", "--no-deps", "core");
        await Retry.UntilAsync("the gateway is back", async () => await project.CallAsync("greet", "again") == "Hello, again!", Patience);
    }
}
