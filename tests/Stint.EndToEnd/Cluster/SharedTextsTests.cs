using System.Text;
using System.Text.Json;
using Stint.Cluster.Store;
using Stint.EndToEnd.Dialects;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster;

/// <summary>Tokens, scripts, namespaces and modules' names are the same at all gateways of a store.</summary>
[Collection(TestPostgres.Collection)]
public sealed class SharedTextsTests : IDisposable
{
    private const string Script = "- default:\n    - workers: \"*\"\n";

    private readonly TestPostgres _postgres;
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-texts-").FullName;

    public SharedTextsTests(TestPostgres postgres)
    {
        _postgres = postgres;
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_token_that_one_gateway_gives_out_is_good_at_all_of_them_until_it_is_taken_away()
    {
        var address = await _postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(address);
        await using var two = await StartAsync(address);
        await Retry.UntilAsync("both have the same tokens", () => File.ReadAllText(TokensOf(one)) == File.ReadAllText(TokensOf(two)));
        using var admin = new FlClient(one.ManagementPort, FlClient.TokenIn(TokensOf(one), "Admin"));
        using var adminOfTwo = new FlClient(two.ManagementPort, FlClient.TokenIn(TokensOf(one), "Admin"));
        var token = JsonDocument.Parse((await admin.SendAsync("POST", "v1/admin/subjects", """{"subject":{"name":"bob"}}""")).Body).RootElement.GetProperty("data").GetProperty("token").GetString()!;
        using var bob = new FlClient(two.ManagementPort, token);
        await Retry.UntilAsync("the other gateway knows it", async () => (await bob.SendAsync("GET", "v1/fn")).Status == 200);
        Assert.Equal(422, (await adminOfTwo.SendAsync("POST", "v1/admin/subjects", """{"subject":{"name":"bob"}}""")).Status);

        // Of two that add the same one at once, one does.
        for (var i = 0; i < 5; i++)
        {
            var body = $$$"""{"subject":{"name":"racer{{{i}}}"}}""";
            var answers = await Task.WhenAll(admin.SendAsync("POST", "v1/admin/subjects", body), adminOfTwo.SendAsync("POST", "v1/admin/subjects", body));
            Assert.Equal([201, 422], answers.Select(static answer => answer.Status).Order());
        }

        (await two.CliAsync("token", "revoke", "bob", "--token-file", Path.Combine(two.State, "token"))).Good();
        Assert.Equal(401, (await bob.SendAsync("GET", "v1/fn")).Status);
        using var bobAtOne = new FlClient(one.ManagementPort, token);
        await Retry.UntilAsync("it is good nowhere", async () => (await bobAtOne.SendAsync("GET", "v1/fn")).Status == 401);

        // Neither the key nor a token is in the database in the clear.
        await using var store = new ClusterStore(StoreAddress.Parse(address));
        var key = await File.ReadAllBytesAsync(Path.Combine(one.State, "funless", "key"));
        Assert.False(await store.UseAsync(connection => connection.ValueAsync<bool>("select exists (select from stint.text where kind = 'subjects' and (not is_sealed or position($1 in content) > 0))", [Sql.Bytes(key)], default), default));
    }

    [Fact]
    public async Task Scripts_and_namespaces_are_everywhere_and_stay_while_PostgreSQL_is_away()
    {
        var address = await _postgres.CreateDatabaseAsync();
        var root = Path.Combine(_folder, "two");
        Directory.CreateDirectory(root);
        await using var one = await StartAsync(address);
        using var flOfOne = new FlClient(one.ManagementPort, FlClient.TokenIn(TokensOf(one), "Admin"));
        using var faasOfOne = new FaasClient(one.ManagementPort);
        await using (var two = await StartAsync(address, root))
        {
            await Retry.UntilAsync("both have the same tokens", () => File.ReadAllText(TokensOf(one)) == File.ReadAllText(TokensOf(two)));
            using var flOfTwo = new FlClient(two.ManagementPort, FlClient.TokenIn(TokensOf(two), "Admin"));
            using var faasOfTwo = new FaasClient(two.ManagementPort);
            Assert.Equal(201, (await flOfOne.FormAsync("POST", "v1/scripts/app", ("file", Encoding.UTF8.GetBytes(Script)), ("name", "Edge_1"))).Status);
            await Retry.UntilAsync("the other gateway has the script", async () => (await flOfTwo.SendAsync("GET", "v1/scripts/app/Edge_1")).Status == 200);
            Assert.Equal(422, (await flOfTwo.FormAsync("POST", "v1/scripts/app", ("file", Encoding.UTF8.GetBytes(Script)), ("name", "Edge_1"))).Status);
            Assert.Equal(201, (await flOfTwo.FormAsync("POST", "v1/scripts/app", ("file", Encoding.UTF8.GetBytes(Script)), ("name", "second"))).Status);
            Assert.Equal(2, JsonDocument.Parse((await flOfTwo.SendAsync("GET", "v1/scripts/app/second")).Body).RootElement.GetProperty("data").GetProperty("id").GetInt32());

            Assert.Equal(201, (await faasOfTwo.SendAsync("POST", "system/namespace/dev", """{"name":"dev","labels":{"a":"b"}}""")).Status);
            await Retry.UntilAsync("the other gateway has the namespace", async () => (await faasOfOne.SendAsync("GET", "system/namespaces")).Body.Contains("dev", StringComparison.Ordinal));
            Assert.Contains("\"a\":\"b\"", (await faasOfOne.SendAsync("GET", "system/namespace/dev")).Body, StringComparison.Ordinal);
            Assert.Equal(409, (await faasOfOne.SendAsync("POST", "system/namespace/dev", """{"name":"dev"}""")).Status);
            await Retry.UntilAsync("the first gateway has the second script", async () => (await flOfOne.SendAsync("GET", "v1/scripts/app/second")).Status == 200);
            Assert.Equal(204, (await flOfOne.SendAsync("DELETE", "v1/scripts/app/second")).Status);
            await Retry.UntilAsync("it is gone", async () => (await flOfTwo.SendAsync("GET", "v1/scripts/app/second")).Status == 404);
        }

        await _postgres.StopAsync();
        try
        {
            await using var two = await StartAsync(address, root);
            using var fl = new FlClient(two.ManagementPort, FlClient.TokenIn(TokensOf(one), "Admin"));
            using var faas = new FaasClient(two.ManagementPort);
            Assert.Equal(200, (await fl.SendAsync("GET", "v1/scripts/app/Edge_1")).Status);
            Assert.Contains("dev", (await faas.SendAsync("GET", "system/namespaces")).Body, StringComparison.Ordinal);
            foreach (var refused in (Task<(int Status, string Body)>[])
                     [
                         fl.SendAsync("POST", "v1/admin/subjects", """{"subject":{"name":"eve"}}"""), fl.SendAsync("DELETE", "v1/scripts/app/Edge_1"), fl.SendAsync("POST", "v1/fn", """{"module":{"name":"m"}}"""),
                         faas.SendAsync("POST", "system/namespace/prod", """{"name":"prod"}"""), faas.SendAsync("DELETE", "system/namespace/dev"),
                     ])
                Assert.Equal(503, (await refused).Status);
            Assert.NotEqual(0, (await two.CliAsync("token", "create", "eve", "--token-file", Path.Combine(two.State, "token"))).Code);
            // And nothing was changed by that.
            Assert.Equal(200, (await fl.SendAsync("GET", "v1/scripts/app/Edge_1")).Status);
            Assert.DoesNotContain("eve", (await fl.SendAsync("GET", "v1/admin/subjects")).Body, StringComparison.Ordinal);
        }
        finally
        {
            await _postgres.StartAsync();
        }
    }

    [Fact]
    public async Task A_module_is_renamed_with_its_functions_and_secrets_at_all_gateways()
    {
        var address = await _postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(address);
        await using var two = await StartAsync(address);
        using var faas = new FaasClient(one.ManagementPort);
        Assert.Equal(201, (await faas.SendAsync("POST", "system/namespace/old", """{"name":"old","labels":{"a":"b"}}""")).Status);
        Assert.Equal(201, (await faas.SendAsync("POST", "system/secrets", """{"name":"api-key","namespace":"old","value":"sesame"}""")).Status);
        await one.DeployPythonAsync("reader.old", "def fn(input): return open('/var/openfaas/secrets/api-key').read()", top: "secrets = [\"api-key\"]");
        await one.DeployPythonAsync("echo.old", "def fn(input): return 'hello'");
        await Retry.UntilAsync("the other gateway serves it", async () => await two.CallAsync("echo.old") is (200, "hello"));
        using var fl = new FlClient(two.ManagementPort, await TokenAsync(two));
        Assert.Equal(201, (await fl.SendAsync("POST", "v1/fn", """{"module":{"name":"taken"}}""")).Status);
        Assert.Equal(422, (await fl.SendAsync("PUT", "v1/fn/old", """{"module":{"name":"taken"}}""")).Status);
        Assert.Equal((200, """{"data":{"name":"fresh"}}"""), await fl.SendAsync("PUT", "v1/fn/old", """{"module":{"name":"fresh"}}"""));
        foreach (var gateway in (StintDaemon[])[two, one])
        {
            await Retry.UntilAsync("it is called the new name", async () => await gateway.CallAsync("echo.fresh") is (200, "hello") && await gateway.CallAsync("reader.fresh") is (200, "sesame"));
            await Retry.UntilAsync("and the old one no more", async () => (await gateway.CallAsync("echo.old")).Status == 404);
        }
        Assert.Contains("\"a\":\"b\"", (await faas.SendAsync("GET", "system/namespace/fresh")).Body, StringComparison.Ordinal);
        Assert.Equal(404, (await fl.SendAsync("PUT", "v1/fn/old", """{"module":{"name":"another"}}""")).Status);
    }

    private static string TokensOf(StintDaemon daemon) => Path.Combine(daemon.State, "funless", "tokens");

    /// <summary>The administrator's token once it is the cluster's.</summary>
    private static async Task<string> TokenAsync(StintDaemon daemon)
    {
        var token = "";
        await Retry.UntilAsync("the token in the file is good", async () =>
        {
            token = FlClient.TokenIn(TokensOf(daemon), "Admin");
            using var client = new FlClient(daemon.ManagementPort, token);
            return (await client.SendAsync("GET", "v1/fn")).Status == 200;
        });
        return token;
    }

    private Task<StintDaemon> StartAsync(string address, string? root = null) =>
        StintDaemon.StartAsync(new DaemonSetup { Root = root, Flags = ["--store-key", Path.Combine(_folder, "store.key")], Environment = new Dictionary<string, string> { ["STINT_STORE"] = address } });
}
