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
    public async Task A_registry_that_was_imported_is_served()
    {
        var address = await _postgres.CreateDatabaseAsync();
        var root = Path.Combine(_folder, "one");
        Directory.CreateDirectory(root);
        await using (var alone = await StintDaemon.StartAsync(new DaemonSetup { Root = root }))
        {
            await alone.DeployPythonAsync("echo", Answer("first"));
            (await alone.CliAsync("store", "import", "--registry", alone.Registry, "--state", alone.State, "--store", address)).Good();
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

    private Task<Finished> UpAsync(string address)
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

    private Task<StintDaemon> StartAsync(string address, string? root = null) =>
        StintDaemon.StartAsync(new DaemonSetup { Root = root, Flags = ["--store-key", Path.Combine(_folder, "store.key")], Environment = new Dictionary<string, string> { ["STINT_STORE"] = address } });

    private static string Answer(string text) => $"def fn(input): return '{text}'\n";
}
