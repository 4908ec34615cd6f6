using Stint.Cluster.Identity;
using Stint.Cluster.Store;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster;

/// <summary>How machines become workers of a cluster, and how they are removed.</summary>
[Collection(TestPostgres.Collection)]
public sealed class JoinTests : IDisposable
{
    private readonly TestPostgres _postgres;
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-join-").FullName;

    public JoinTests(TestPostgres postgres)
    {
        _postgres = postgres;
        // Sandboxes' users must be able to pass.
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_machine_joins_once_and_keeps_its_place_without_the_token()
    {
        await using var cluster = await TestCluster.CreateAsync(_postgres);
        await using var store = new ClusterStore(StoreAddress.Parse(cluster.Address));
        await store.UseAsync(static connection => connection.ExecuteAsync("do $$ begin execute format('alter database %I set log_min_messages = error', current_database()); end $$", [], default), default);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        await gateway.DeployPythonAsync("echo", "def fn(input): return input");
        // Nobody asked for tables before they were made: the server notes each such question as an error, as it does this one.
        store.DropIdle();
        Assert.NotNull(await Record.ExceptionAsync(() => store.UseAsync(static connection => connection.ExecuteAsync("select from stint.nothing", [], default), default)));
        await Retry.UntilAsync("the server has noted it", () => _postgres.Log.Contains("\"stint.nothing\" does not exist", StringComparison.Ordinal));
        Assert.Equal(1, _postgres.Log.Split("relation \"stint.").Length - 1);
        var core = $"127.0.0.1:{await TestCluster.NodePortOfAsync(gateway)}";
        var root = Path.Combine(_folder, "w1");
        Directory.CreateDirectory(root);
        var token = await cluster.TokenAsync();
        await using (var first = await StintDaemon.StartAsync(new DaemonSetup { IsWorker = true, Root = root, Flags = ["--core", core, "--token", token, "--name", "w1"] }))
        {
            Assert.Equal((200, "x"), await gateway.CallAsync("echo", "x"));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(first.State, "node", "key.pem")));
            Assert.DoesNotContain(token, first.Log, StringComparison.Ordinal);
        }
        // Used up: neither another machine gets in with it, nor does anybody learn why.
        Assert.Contains("wrong, used up or expired", await RefusalAsync("--core", core, "--token", token, "--name", "w2"), StringComparison.Ordinal);
        // The unit file still names it, or names it no more.
        foreach (var more in (string[][])[["--token", token], []])
        {
            await using var again = await StintDaemon.StartAsync(new DaemonSetup { IsWorker = true, Root = root, Flags = ["--core", core, "--name", "w1", .. more] });
            Assert.Equal((200, "y"), await gateway.CallAsync("echo", "y"));
        }
    }

    [Fact]
    public async Task Whoever_has_no_good_token_does_not_get_in_and_is_told_what_to_do()
    {
        await using var cluster = await TestCluster.CreateAsync(_postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        var core = $"127.0.0.1:{await TestCluster.NodePortOfAsync(gateway)}";
        var good = await cluster.TokenAsync();
        Assert.True(JoinToken.TryParse(good, out var parsed));
        Assert.Contains("stint cluster token", await RefusalAsync("--core", core, "--name", "w1"), StringComparison.Ordinal);
        Assert.Contains("neither a join token", await RefusalAsync("--core", core, "--name", "w1", "--token", "sesame"), StringComparison.Ordinal);
        // Of this cluster, but nobody made it.
        Assert.Contains("wrong, used up or expired", await RefusalAsync("--core", core, "--name", "w1", "--token", JoinToken.Create(parsed.Fingerprint).Reveal()), StringComparison.Ordinal);
        // Of another cluster: this one never gets to see it.
        Assert.Contains("another fingerprint", await RefusalAsync("--core", core, "--name", "w1", "--token", JoinToken.Create(new string('0', 64)).Reveal()), StringComparison.Ordinal);
        // Expired.
        var brief = await cluster.TokenAsync("--expires", "1s", "--uses", "0");
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
        Assert.Contains("wrong, used up or expired", await RefusalAsync("--core", core, "--name", "w1", "--token", brief), StringComparison.Ordinal);
        // A living machine's name; that does not use the token up.
        await using var worker = await StintDaemon.StartAsync(new DaemonSetup { IsWorker = true, Flags = ["--core", core, "--name", "w1", "--token", await cluster.TokenAsync()] });
        Assert.Contains("is called w1 and is alive", await RefusalAsync("--core", core, "--name", "w1", "--token", good), StringComparison.Ordinal);
        var file = Path.Combine(_folder, "token");
        await File.WriteAllTextAsync(file, good + "\n");
        await using var other = await StintDaemon.StartAsync(new DaemonSetup { IsWorker = true, Flags = ["--core", $"127.0.0.1:1,{core}", "--name", "w2", "--token", file] });
        // The gateway that it reported to knows it; the others, and the store, a moment later.
        await Retry.UntilAsync("all three are listed", async () => (await cluster.NodesAsync()).Select(static node => node.GetProperty("name").GetString()).SequenceEqual(["g1", "w1", "w2"]));
        Assert.Contains("whose worker?", (await Programs.RunAsync([.. Programs.Stint, "worker", "--state", _folder], "/")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_that_is_removed_ends_and_does_not_come_back_without_a_new_token()
    {
        await using var cluster = await TestCluster.CreateAsync(_postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        await gateway.DeployPythonAsync("echo", "def fn(input): return input");
        var core = $"127.0.0.1:{await TestCluster.NodePortOfAsync(gateway)}";
        var root = Path.Combine(_folder, "w1");
        Directory.CreateDirectory(root);
        await using (var worker = await StintDaemon.StartAsync(new DaemonSetup { IsWorker = true, Root = root, Flags = ["--core", core, "--token", await cluster.TokenAsync(), "--name", "w1"] }))
        {
            Assert.Equal((200, "x"), await gateway.CallAsync("echo", "x"));
            // The gateway knows it before the store does.
            await Retry.UntilAsync("it is removed", async () => (await cluster.RunAsync("remove", "w1")).Code == 0);
            Assert.Equal(1, await worker.ExitAsync());
            Assert.Contains("no longer, one of the cluster", worker.Log, StringComparison.Ordinal);
        }
        Assert.Equal(503, (await gateway.CallAsync("echo", "x")).Status);
        var refused = await Programs.RunAsync([.. Programs.Stint, "worker", "--state", Path.Combine(root, "state"), "--run", Path.Combine(root, "run"), "--management-port", "0", "--core", core, "--name", "w1"], "/");
        Assert.Equal(1, refused.Code);
        Assert.Contains("stint cluster token", refused.Error, StringComparison.Ordinal);
        await using var again = await StintDaemon.StartAsync(new DaemonSetup { IsWorker = true, Root = root, Flags = ["--core", core, "--token", await cluster.TokenAsync(), "--name", "w1"] });
        await Retry.UntilAsync("it is called again", async () => await gateway.CallAsync("echo", "x") is (200, "x"));
    }

    [Fact]
    public async Task The_authority_is_made_once_and_by_hand_or_by_the_first_gateway()
    {
        await using var cluster = await TestCluster.CreateAsync(_postgres);
        var key = Path.Combine(_folder, "store.key");
        string[] store = ["--store", cluster.Address, "--store-key", key];
        var first = (await Programs.RunAsync([.. Programs.Stint, "cluster", "init", .. store], "/")).Good();
        Assert.Equal(first, (await Programs.RunAsync([.. Programs.Stint, "cluster", "init", .. store], "/")).Good());
        await using var gateway = await StintDaemon.StartAsync("--store", cluster.Address, "--store-key", key, "--node-name", "g1");
        Assert.True(JoinToken.TryParse((await Programs.RunAsync([.. Programs.Stint, "cluster", "token", .. store], "/")).Good().Trim(), out var token));
        Assert.Contains(token.Fingerprint, first, StringComparison.Ordinal);
        Assert.Contains("is a gateway", (await cluster.RunAsync("drain", "g1")).Error, StringComparison.Ordinal);
        Assert.Contains("stop its daemon first", (await cluster.RunAsync("remove", "g1")).Error, StringComparison.Ordinal);
        Assert.Contains("--expires wants", (await cluster.RunAsync("token", "--expires", "1w")).Error, StringComparison.Ordinal);
        Assert.Contains("--uses wants", (await cluster.RunAsync("token", "--uses", "-1")).Error, StringComparison.Ordinal);
    }

    /// <summary>What a worker that cannot start says.</summary>
    private async Task<string> RefusalAsync(params string[] flags)
    {
        var root = Directory.CreateDirectory(Path.Combine(_folder, Guid.NewGuid().ToString("N"))).FullName;
        var finished = await Programs.RunAsync([.. Programs.Stint, "worker", "--state", Path.Combine(root, "state"), "--run", Path.Combine(root, "run"), "--management-port", "0", .. flags], "/");
        Assert.Equal(1, finished.Code);
        return finished.Error;
    }
}
