using System.Text.Json;
using Stint.Cluster.Mirrors;
using Stint.Cluster.Store;
using Stint.EndToEnd.Dialects;
using Stint.EndToEnd.Fixtures;
using Stint.Invocations;

namespace Stint.EndToEnd.Cluster;

/// <summary>Several gateways over one PostgreSQL.</summary>
[Collection(TestPostgres.Collection)]
public sealed class GatewayTests : IDisposable
{
    private readonly TestPostgres _postgres;
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-cluster-").FullName;

    public GatewayTests(TestPostgres postgres)
    {
        _postgres = postgres;
        // Sandboxes' users must be able to pass.
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_one_gateway_deploys_changes_and_removes_all_of_them_serve()
    {
        var address = await _postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(address);
        await one.DeployPythonAsync("echo", Answer("first"));
        await using var two = await StartAsync(address);
        Assert.Equal((200, "first"), await two.CallAsync("echo"));

        await two.DeployPythonAsync("echo", Answer("second"));
        Assert.Equal((200, "second"), await two.CallAsync("echo"));
        await Retry.UntilAsync("the other gateway serves it too", async () => await one.CallAsync("echo") is (200, "second"));

        await one.DeployPythonAsync("another", Answer("here"));
        await Retry.UntilAsync("the other gateway serves it too", async () => await two.CallAsync("another") is (200, "here"));

        (await one.CliAsync("rm", "echo")).Good();
        Assert.Equal(404, (await one.CallAsync("echo")).Status);
        await Retry.UntilAsync("it is gone from the other gateway", async () => (await two.CallAsync("echo")).Status == 404);
        Assert.Equal((200, "here"), await two.CallAsync("another"));
    }

    [Fact]
    public async Task Secrets_are_shared_sealed_in_the_database_and_decided_there()
    {
        var address = await _postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(address);
        await using var two = await StartAsync(address);
        using var clientOfOne = new FaasClient(one.ManagementPort);
        using var clientOfTwo = new FaasClient(two.ManagementPort);
        Assert.Equal(201, (await clientOfOne.SendAsync("POST", "system/secrets", """{"name":"api-key","value":"sesame"}""")).Status);
        Assert.Equal(409, (await clientOfTwo.SendAsync("POST", "system/secrets", """{"name":"api-key","value":"other"}""")).Status);
        await Retry.UntilAsync("the other gateway has it", async () => (await clientOfTwo.SendAsync("GET", "system/secrets")).Body.Contains("api-key", StringComparison.Ordinal));
        await two.DeployPythonAsync("reader", "def fn(input): return open('/var/openfaas/secrets/api-key').read()", top: "secrets = [\"api-key\"]");
        Assert.Equal((200, "sesame"), await two.CallAsync("reader"));
        Assert.Equal(202, (await clientOfTwo.SendAsync("DELETE", "system/secrets", """{"name":"api-key"}""")).Status);
        await Retry.UntilAsync("it is gone from the other gateway", async () => !(await clientOfOne.SendAsync("GET", "system/secrets")).Body.Contains("api-key", StringComparison.Ordinal));
        Assert.Equal(404, (await clientOfOne.SendAsync("DELETE", "system/secrets", """{"name":"api-key"}""")).Status);
    }

    [Fact]
    public async Task Gateways_that_deploy_the_same_function_at_once_end_with_the_same_version()
    {
        var address = await _postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(address);
        await using var two = await StartAsync(address);
        await using var store = new ClusterStore(StoreAddress.Parse(address));
        Assert.True(FunctionName.TryParse("race", out var name));
        for (var round = 1; round <= 4; round++)
        {
            await Task.WhenAll(one.DeployPythonAsync("race", Answer($"one {round}")), two.DeployPythonAsync("race", Answer($"two {round}")));
            Assert.Equal(2 * round, (await store.Functions.FindAsync(name, default))!.Version);
            await Retry.UntilAsync("both answer the same, of this round", async () =>
            {
                var (first, second) = (await one.CallAsync("race"), await two.CallAsync("race"));
                return first == second && first.Body.EndsWith($" {round}", StringComparison.Ordinal);
            });
        }
        // And it is what the store says.
        var serving = (await store.Functions.FindAsync(name, default))!.Hash!;
        await store.Functions.DownloadAsync(serving, Path.Combine(_folder, "serving"), default);
        Assert.Contains((await one.CallAsync("race")).Body, await File.ReadAllTextAsync(Path.Combine(_folder, "serving", "code", "fn.py")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_PostgreSQL_everything_goes_on_but_changes_which_are_refused_and_work_again_when_it_is_back()
    {
        var address = await _postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(address);
        await one.DeployPythonAsync("echo", Answer("first"));
        var twosRoot = Path.Combine(_folder, "two");
        Directory.CreateDirectory(twosRoot);
        await using (var two = await StartAsync(address, twosRoot)) Assert.Equal((200, "first"), await two.CallAsync("echo"));

        await _postgres.StopAsync();
        await using var again = await RestartWithoutPostgresAsync();
        try
        {
            Assert.Equal((200, "first"), await one.CallAsync("echo"));
            Assert.Equal((200, "first"), await again.CallAsync("echo"));
            foreach (var gateway in (StintDaemon[])[one, again])
            {
                var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => gateway.DeployPythonAsync("echo", Answer("second")));
                Assert.Contains("does not answer", refused.Message, StringComparison.Ordinal);
                Assert.Equal(503, (await gateway.ManageAsync("delete", """{"name":"echo"}""")).Status);
                using var client = new FaasClient(gateway.ManagementPort);
                Assert.Equal(503, (await client.SendAsync("POST", "system/secrets", """{"name":"api-key","value":"sesame"}""")).Status);
                Assert.Equal((200, "first"), await gateway.CallAsync("echo"));
            }
        }
        finally
        {
            await _postgres.StartAsync();
        }
        await Retry.UntilAsync("deployments work again", async () =>
        {
            try
            {
                await again.DeployPythonAsync("echo", Answer("second"));
                return true;
            }
            catch (InvalidOperationException refused) when (refused.Message.Contains("does not answer", StringComparison.Ordinal))
            {
                return false;
            }
        });
        await Retry.UntilAsync("the other gateway has it", async () => await one.CallAsync("echo") is (200, "second"));

        async Task<StintDaemon> RestartWithoutPostgresAsync()
        {
            try
            {
                return await StartAsync(address, twosRoot);
            }
            catch
            {
                await _postgres.StartAsync();
                throw;
            }
        }
    }

    [Fact]
    public async Task Deployments_while_PostgreSQL_restarts_are_done_or_refused_and_all_gateways_agree_afterwards()
    {
        var address = await _postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(address, null, "--node-name", "one");
        await using var two = await StartAsync(address, null, "--node-name", "two");
        StintDaemon[] gateways = [one, two];
        string[] names = ["a", "b", "c", "d"];
        await Task.WhenAll(names.Select(name => one.DeployPythonAsync(name, Answer("0"))));
        var rounds = 0;
        var deploying = Task.WhenAll(names.Select(async (name, i) =>
        {
            for (var round = 1; round <= 6; round++)
            {
                try
                {
                    await gateways[(i + round) % 2].DeployPythonAsync(name, Answer($"{round}"));
                }
                catch (InvalidOperationException refused) when (refused.Message.Contains("the store", StringComparison.Ordinal))
                {
                    // Refused with the reason; it may have been decided all the same.
                }
                Interlocked.Increment(ref rounds);
            }
        }));
        await Retry.UntilAsync("some are under way", () => Volatile.Read(ref rounds) > 4);
        await _postgres.StopAsync();
        await _postgres.StartAsync();
        await deploying;

        await using var store = new ClusterStore(StoreAddress.Parse(address));
        foreach (var name in names)
        {
            Assert.True(FunctionName.TryParse(name, out var function));
            var target = Path.Combine(_folder, $"serving-{name}");
            await store.Functions.DownloadAsync((await store.Functions.FindAsync(function, default))!.Hash!, target, default);
            var code = await File.ReadAllTextAsync(Path.Combine(target, "code", "fn.py"));
            foreach (var gateway in gateways)
                await Retry.UntilAsync($"{name} is what the store says", async () => await gateway.CallAsync(name) is (200, var body) && code == Answer(body));
        }
    }

    [Fact]
    public async Task A_killed_gateway_and_an_edited_copy_come_back_as_the_store_says()
    {
        var address = await _postgres.CreateDatabaseAsync();
        var root = Path.Combine(_folder, "one");
        Directory.CreateDirectory(root);
        var one = await StartAsync(address, root);
        await one.DeployPythonAsync("echo", Answer("first"));
        await one.DeployPythonAsync("gone", Answer("gone"));
        var copy = StoreMirror.RegistryOf(one.State);
        await one.KillAsync();
        await one.DisposeAsync();

        await using (var two = await StartAsync(address))
        {
            (await two.CliAsync("rm", "gone")).Good();
            await two.DeployPythonAsync("new", Answer("new"));
        }
        await File.WriteAllTextAsync(Path.Combine(copy, "_", "echo", "code", "fn.py"), Answer("edited"));
        Directory.CreateDirectory(Path.Combine(copy, "_", "stranger"));
        await File.WriteAllTextAsync(Path.Combine(copy, "_", "stranger", "function.toml"), "[process]\nruntime = \"python3\"\n");

        await using var again = await StartAsync(address, root);
        Assert.Equal((200, "first"), await again.CallAsync("echo"));
        Assert.Equal((200, "new"), await again.CallAsync("new"));
        Assert.Equal(404, (await again.CallAsync("gone")).Status);
        Assert.Equal(404, (await again.CallAsync("stranger")).Status);
    }

    [Fact]
    public async Task Code_that_was_altered_in_the_database_is_not_taken_up_and_the_version_before_goes_on()
    {
        var address = await _postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(address);
        await one.DeployPythonAsync("echo", Answer("first"));
        one.ExpectError("echo cannot be copied from the store");

        var source = Path.Combine(_folder, "source");
        Directory.CreateDirectory(Path.Combine(source, "code"));
        await File.WriteAllTextAsync(Path.Combine(source, "function.toml"), "[process]\nruntime = \"python3\"\n");
        await File.WriteAllTextAsync(Path.Combine(source, "code", "fn.py"), Answer("second"));
        await using var store = new ClusterStore(StoreAddress.Parse(address));
        var hash = await store.Functions.UploadAsync(source, default);
        await store.UseAsync(connection => connection.ExecuteAsync("update stint.blob_chunk set data = overlay(data placing 'SECOND'::bytea from position('second'::bytea in data)) where hash = $1", [Sql.Text(hash)], default), default);
        Assert.True(FunctionName.TryParse("echo", out var name));
        await store.Functions.CommitAsync(name, hash, null, "an attacker", default);

        await one.WaitForLogAsync("echo cannot be copied from the store");
        Assert.Equal((200, "first"), await one.CallAsync("echo"));
        await one.DeployPythonAsync("echo", Answer("third"));
        Assert.Equal((200, "third"), await one.CallAsync("echo"));
    }

    [Fact]
    public async Task The_machines_of_a_cluster_are_listed_alive_dead_and_gone()
    {
        var address = await _postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(address, null, "--node-name", "one");
        await one.DeployPythonAsync("echo", Answer("first"));
        var root = Path.Combine(_folder, "two");
        Directory.CreateDirectory(root);
        var two = await StartAsync(address, root, "--node-name", "two");
        await Retry.UntilAsync("both are listed", async () => await ListAsync() is "one alive 1, two alive 1");
        Assert.Equal(1, (await one.CliAsync("cluster", "remove", "two", "--store", address)).Code);

        // A third with the name of a living one serves, and says what is wrong.
        await using (var same = await StartAsync(address, null, "--node-name", "one"))
        {
            await same.WaitForLogAsync("another machine of the cluster is called one");
            Assert.Equal((200, "first"), await same.CallAsync("echo"));
        }
        await two.KillAsync();
        await two.DisposeAsync();
        await Retry.UntilAsync("the killed one counts as dead", async () => await ListAsync() is "one alive 1, two dead 1");
        (await one.CliAsync("cluster", "remove", "two", "--store", address)).Good();
        Assert.Equal("one alive 1", await ListAsync());
        var three = await StartAsync(address, null, "--node-name", "three");
        await Retry.UntilAsync("the third is listed", async () => await ListAsync() is "one alive 1, three alive 1");
        await three.DisposeAsync();
        Assert.Equal("one alive 1", await ListAsync());

        async Task<string> ListAsync()
        {
            var nodes = JsonDocument.Parse((await one.CliAsync("cluster", "ls", "--json", "--store", address)).Good()).RootElement.GetProperty("nodes");
            return string.Join(", ", nodes.EnumerateArray().Select(static node => $"{node.GetProperty("name")} {(node.GetProperty("isAlive").GetBoolean() ? "alive" : "dead")} {node.GetProperty("report").GetProperty("functions")}"));
        }
    }

    [Fact]
    public async Task A_registry_that_was_imported_is_served()
    {
        var address = await _postgres.CreateDatabaseAsync();
        var root = Path.Combine(_folder, "one");
        Directory.CreateDirectory(root);
        await using (var alone = await StintDaemon.StartAsync(new DaemonSetup { Root = root }))
        {
            await alone.DeployPythonAsync("echo", Answer("first"));
            (await alone.CliAsync("store", "import", "--registry", alone.Registry, "--state", alone.State, "--store", address, "--store-key", Path.Combine(_folder, "store.key"))).Good();
        }
        await using var gateway = await StartAsync(address, root);
        Assert.Equal((200, "first"), await gateway.CallAsync("echo"));
        (await gateway.CliAsync("rm", "echo")).Good();
        // The folder of before is left as it was.
        Assert.True(File.Exists(Path.Combine(gateway.Registry, "_", "echo", "function.toml")));
    }

    [Fact]
    public async Task A_store_that_cannot_be_used_is_said_at_the_start()
    {
        var address = await _postgres.CreateDatabaseAsync();
        var missing = await UpAsync(address.Replace("/test_", "/never_", StringComparison.Ordinal));
        Assert.Equal(1, missing.Code);
        Assert.Contains("createdb", missing.Error, StringComparison.Ordinal);
        var away = await UpAsync("postgres://stint:hush@127.0.0.1:1/none");
        Assert.Equal(1, away.Code);
        Assert.Contains("does not answer", away.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", away.Error + away.Out, StringComparison.Ordinal);
        var wrong = await UpAsync("postgres://stint:hush@db");
        Assert.Equal(78, wrong.Code);
        Assert.DoesNotContain("hush", wrong.Error, StringComparison.Ordinal);

        await using var store = new ClusterStore(StoreAddress.Parse(address));
        await store.PrepareAsync(default);
        await store.UseAsync(connection => connection.ExecuteAsync("insert into stint.schema_step (number, name) values (9999, 'of the future')", [], default), default);
        Assert.Contains("upgrade this machine", (await UpAsync(address)).Error, StringComparison.Ordinal);
    }

    private static Task<Finished> UpAsync(string address)
    {
        var root = Directory.CreateTempSubdirectory("stint-up-").FullName;
        return RunAsync();

        async Task<Finished> RunAsync()
        {
            try
            {
                File.SetUnixFileMode(root, (UnixFileMode)0b111_101_101);
                return await Programs.RunAsync(
                    [.. Programs.Stint, "up", "--registry", Path.Combine(root, "functions"), "--state", Path.Combine(root, "state"), "--run", Path.Combine(root, "run"),
                        "--http-port", "0", "--management-port", "0", "--coap-port", "-1", "--grpc-port", "-1"], root, "", new Dictionary<string, string> { ["STINT_STORE"] = address, ["STINT_NETWORK_DEFAULT"] = "none" });
            }
            finally
            {
                Directory.Delete(root, recursive: true);
            }
        }
    }

    private Task<StintDaemon> StartAsync(string address, string? root = null, params string[] flags) =>
        StintDaemon.StartAsync(new DaemonSetup { Root = root, Flags = ["--store-key", Path.Combine(_folder, "store.key"), .. flags], Environment = new Dictionary<string, string> { ["STINT_STORE"] = address } });

    private static string Answer(string text) => $"def fn(input): return '{text}'\n";
}
