using System.Net;
using Stint.Cluster.Identity;
using Stint.Cluster.Store;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster;

/// <summary>Certificates of machines: whose they are, what they allow, and how they are renewed. Real daemons; certificates of earlier programs and earlier days are issued by the test, with the cluster's authority.</summary>
[Collection(TestPostgres.Collection)]
public sealed class CertificateTests(TestPostgres postgres) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-certificates-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Machines_get_their_role_and_a_new_certificate_in_time_and_a_stolen_one_opens_nothing_else()
    {
        // Sandboxes' users must be able to pass.
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var now = TimeProvider.System.GetUtcNow();
        var storeKey = Path.Combine(_folder, "store.key");
        await using (var store = await ClusterStore.OpenAsync(StoreAddress.Parse(cluster.Address), default))
        {
            var key = await StoreKey.OpenAsync(storeKey, store, default);
            using var authority = ClusterAuthority.Create(now - TimeSpan.FromDays(100));
            await store.Authority.AddAsync(authority, key, default);
            // A cluster from before there were roles; the second worker has its role already, and its certificate ends in twenty days.
            await IssueAsync("g1", null, now);
            await IssueAsync("w1", null, now);
            await IssueAsync("w2", NodeRole.Worker, now - TimeSpan.FromDays(70));

            async Task IssueAsync(string name, NodeRole? role, DateTimeOffset at)
            {
                var issued = authority.Issue(name, role, NodeIdentity.Request(IdentityOf(name), name), at);
                await store.Authority.NoteAsync(issued, default);
                NodeIdentity.Accept(IdentityOf(name), issued.Bytes, authority.CertificateBytes, authority.Fingerprint).Dispose();
            }
        }
        var before = Load("w2").Serial;

        await using var gateway = await StintDaemon.StartAsync(new DaemonSetup { Root = RootOf("g1"), Flags = ["--store", cluster.Address, "--store-key", storeKey, "--node-name", "g1", "--worker=false"] });
        Assert.Equal(NodeRole.Gateway, Load("g1").Role);
        var core = $"127.0.0.1:{await TestCluster.NodePortOfAsync(gateway)}";
        await using var first = await StartWorkerAsync("w1");
        await using var second = await StartWorkerAsync("w2");
        await gateway.DeployPythonAsync("echo", "def fn(input): return input");
        Assert.Equal((200, "x"), await gateway.CallAsync("echo", "x"));
        await Retry.UntilAsync("the first worker has its role", () => Load("w1").Role is NodeRole.Worker);
        await Retry.UntilAsync("the second worker's certificate was renewed", () => Load("w2") is { Role: NodeRole.Worker } renewed && renewed.NotAfter > now + TimeSpan.FromDays(80));
        Assert.NotEqual(before, Load("w2").Serial);
        var at = new DnsEndPoint("127.0.0.1", await TestCluster.NodePortOfAsync(second));
        await Retry.UntilAsync("new connections use it", async () => await SerialAtAsync(at) == Load("w2").Serial);
        Assert.Equal((200, "x"), await gateway.CallAsync("echo", "x"));

        // Whoever has taken the first worker's certificate is a worker, and nothing else.
        using (var stolen = new NodeCredentials(NodeIdentity.Load(IdentityOf("w1"))!))
        {
            using (var toWorker = NodeLink.ToNode("w2", [at], stolen))
            {
                foreach (var path in (string[])[CallWire.Target, WorkerPaths.Prepare, WorkerPaths.Ping])
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(toWorker.Base, path)) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
                    using var answer = await toWorker.SendAsync(request, default);
                    Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
                    Assert.Contains("the certificate of w1 is not a gateway's", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
                }
            }
            await second.WaitForLogAsync("w1 asked for /invoke and was refused");
            using var asGateway = NodeLink.ToGateway(at, stolen);
            Assert.Contains("w2, is no gateway", (await Assert.ThrowsAsync<HttpRequestException>(() => NodeDialogue.PingAsync(asGateway, default))).ToString(), StringComparison.Ordinal);
            Assert.True(NodeAddress.TryParse(core, out var gatewayAt));
            using var toGateway = NodeLink.ToGateway(gatewayAt, stolen);
            await NodeDialogue.PingAsync(toGateway, default);
        }

        Task<StintDaemon> StartWorkerAsync(string name) => StintDaemon.StartAsync(new DaemonSetup { IsWorker = true, Root = RootOf(name), Flags = ["--core", core, "--name", name] });
    }

    [Fact]
    public async Task A_worker_that_was_killed_has_its_name_at_once_and_of_two_with_its_folder_the_later_start()
    {
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        await gateway.DeployPythonAsync("echo", "def fn(input): return input");
        string[] flags = ["--core", $"127.0.0.1:{await TestCluster.NodePortOfAsync(gateway)}", "--name", "w1"];
        await using (var killed = await StintDaemon.StartAsync(new DaemonSetup { IsWorker = true, Root = RootOf("one"), Flags = [.. flags, "--token", await cluster.TokenAsync()] })) await killed.KillAsync();
        const string taken = "another machine of the cluster is called w1 and is alive";
        await using var again = await StintDaemon.StartAsync(new DaemonSetup { IsWorker = true, Root = RootOf("one"), Flags = flags });
        await Retry.UntilAsync("it is called", async () => await gateway.CallAsync("echo", "x") is (200, "x"));
        Assert.DoesNotContain(taken, again.Log, StringComparison.Ordinal);
        // Its folder was copied: both are noticed, and the one that was started later is called.
        Copy(IdentityOf("one"), IdentityOf("two"));
        await using (var copy = await StintDaemon.StartAsync(new DaemonSetup { IsWorker = true, Root = RootOf("two"), Flags = flags }))
        {
            await again.WaitForLogAsync(taken);
            await Retry.UntilAsync("the copy is called", async () => await gateway.CallAsync("echo", "x") is (200, "x") && Directory.Exists(Path.Combine(copy.State, "cache", "functions", "_", "echo")));
            Assert.DoesNotContain(taken, copy.Log, StringComparison.Ordinal);
        }
        await again.WaitForLogAsync("knows of this worker again");

        static void Copy(string from, string to)
        {
            Directory.CreateDirectory(to, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            foreach (var file in Directory.EnumerateFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }
    }

    private string RootOf(string name) => Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;

    private string IdentityOf(string name) => Path.Combine(RootOf(name), "state", "node");

    private (NodeRole? Role, string Serial, DateTimeOffset NotAfter) Load(string name)
    {
        using var identity = NodeIdentity.Load(IdentityOf(name))!;
        return (identity.Role, identity.Certificate.SerialNumber, identity.Certificate.NotAfter.ToUniversalTime());
    }

    /// <summary>Which certificate a machine shows to somebody who connects now.</summary>
    private static async Task<string?> SerialAtAsync(DnsEndPoint address)
    {
        string? serial = null;
        using var link = NodeLink.ToStranger(address, peer =>
        {
            serial = peer.SerialNumber;
            return "that is all that was wanted";
        });
        await Assert.ThrowsAsync<HttpRequestException>(() => NodeDialogue.PingAsync(link, default));
        return serial;
    }
}
