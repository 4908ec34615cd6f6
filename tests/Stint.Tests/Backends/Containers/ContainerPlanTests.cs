using System.Net;
using System.Text.Json;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Tests.Backends.Containers;

/// <summary>What the engine is asked for; that it does so is tested at a real one (Stint.EndToEnd/Containers).</summary>
public sealed class ContainerPlanTests
{
    private const string Url = "http://10.101.0.1:3000/ready/0a1b";

    private static ContainerSettings Plan(ContainerSpec spec, string? url = null, params string[] volumes)
    {
        Assert.True(FunctionName.TryParse("web.shop", out var name));
        var version = new FunctionVersion
        {
            Name = name, Id = "00ff", Folder = null, DeployedAt = default, Spec = new FunctionSpec { Container = spec, Env = new Dictionary<string, string> { ["A"] = "b=c", ["EMPTY"] = "" } },
        };
        return ContainerPlan.Of("d1", version, "i1", "n1", IPAddress.Parse("10.101.0.5"), url, null, volumes);
    }

    [Fact]
    public void The_least_is_tight()
    {
        var json = JsonSerializer.Serialize(Plan(new ContainerSpec { Image = "i:1" }), EngineJson.Default.ContainerSettings);
        Assert.Equal(
            """
            {"Image":"i:1","Env":["A=b=c","EMPTY="],
            "Labels":{"tinyFaaS":"","stint.daemon":"d1","stint.role":"container","stint.function":"web.shop","tinyfaas-function":"web.shop","stint.version":"00ff","stint.instance":"i1"},
            "StopSignal":"SIGINT",
            "HostConfig":{"Memory":134217728,"MemorySwap":134217728,"PidsLimit":256,"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"],"ReadonlyRootfs":true,
            "Tmpfs":{"/tmp":"rw,exec,nosuid,nodev,mode=1777,size=64m"},"NetworkMode":"n1","Ulimits":[{"Name":"core","Soft":0,"Hard":0}],
            "LogConfig":{"Type":"json-file","Config":{"max-size":"1m","max-file":"2"}}},
            "NetworkingConfig":{"EndpointsConfig":{"n1":{"IPAMConfig":{"IPv4Address":"10.101.0.5"}}}}}
            """.ReplaceLineEndings(""), json);
    }

    [Fact]
    public void Every_key_has_its_place()
    {
        var host = Plan(new ContainerSpec { Image = "i", MemoryMiB = 6, Cpus = 1.5, Pids = 7, Capabilities = ["CHOWN"], Runtime = "runsc", TmpMiB = 3 }, null, "/data", "/tmp").HostConfig!;
        Assert.Equal((6L << 20, 6L << 20, 150_000, 100_000, 7, "runsc"), (host.Memory, host.MemorySwap, host.CpuQuota, host.CpuPeriod, host.PidsLimit, host.Runtime));
        Assert.Equal(["CHOWN"], host.CapAdd);
        Assert.Equal(["/data", "/tmp"], host.Tmpfs!.Keys.Order());
        Assert.All(host.Tmpfs.Values, static options => Assert.EndsWith("size=3m", options, StringComparison.Ordinal));
        // cpu.cfs_quota_us is refused below 1,000.
        Assert.Equal(1_000, Plan(new ContainerSpec { Image = "i", Cpus = 0.001 }).HostConfig!.CpuQuota);

        var writable = Plan(new ContainerSpec { Image = "i", Writable = true }, null, "/data").HostConfig!;
        Assert.Equal((false, null), (writable.ReadonlyRootfs, writable.Tmpfs));
    }

    [Fact]
    public void The_callback_is_the_only_argument_unless_its_place_is_said()
    {
        Assert.Equal([Url], Plan(new ContainerSpec { Image = "i" }, Url).Cmd);
        var said = Plan(new ContainerSpec { Image = "i", Command = ["/bin/x", "--tell=%callback"], Args = ["a"] }, Url);
        Assert.Equal($"/bin/x --tell={Url} | a", Line(said));
        var inCommand = Plan(new ContainerSpec { Image = "i", Command = ["/bin/x", "%callback"] }, Url);
        Assert.Null(inCommand.Cmd);
        var commanded = Plan(new ContainerSpec { Image = "i", Command = ["/bin/x"], Callback = true }, Url);
        Assert.Equal($"/bin/x | {Url}", Line(commanded));
        var plain = Plan(new ContainerSpec { Image = "i", Args = ["-v", ""], Port = 80 });
        Assert.Equal(["-v", ""], plain.Cmd);
        Assert.Null(plain.Entrypoint);
    }

    private static string Line(ContainerSettings settings) => $"{string.Join(' ', settings.Entrypoint!)} | {string.Join(' ', settings.Cmd!)}";
}
