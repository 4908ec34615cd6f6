using System.Text.Json;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Swarm;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Tests.Backends.Containers.Swarm;

/// <summary>What Swarm is asked for; that it does so is tested at a real one (Stint.EndToEnd/Containers/Swarm).</summary>
public sealed class ServicePlanTests
{
    private static readonly ContainerSpec Web = new() { Image = "i:1", Port = 8080 };

    [Fact]
    public void The_least_is_tight()
    {
        var version = Version(new FunctionSpec { Container = Web, Env = new Dictionary<string, string> { ["A"] = "b=c" } });
        var key = ServiceKey.Of(version, "", published: true);
        var plan = ServicePlan.Of("d1", version, key, "sha256:1", "n1", published: true, [("api-key", "s1", "web-secret")], ["/data"], 2, new ApiVersion(1, 41));
        Assert.Equal(
            """
            {"Name":"web-shop-SHORT",
            "Labels":{"tinyFaaS":"","stint.daemon":"d1","stint.role":"service","stint.function":"web.shop","tinyfaas-function":"web.shop","function":"web","stint.module":"shop","stint.version":"00ff","stint.revision":"REVISION","stint.image":"i:1"},
            "TaskTemplate":{"ContainerSpec":{"Image":"sha256:1","Labels":{"stint.function":"web.shop","stint.version":"00ff"},"Env":["A=b=c"],"StopGracePeriod":60000000000,"ReadOnly":true,
            "Mounts":[{"Type":"tmpfs","Target":"/data","TmpfsOptions":{"SizeBytes":67108864,"Mode":1023}},{"Type":"tmpfs","Target":"/tmp","TmpfsOptions":{"SizeBytes":67108864,"Mode":1023}}],
            "Secrets":[{"SecretID":"s1","SecretName":"web-secret","File":{"Name":"/var/openfaas/secrets/api-key","UID":"0","GID":"0","Mode":292}}],
            "CapabilityDrop":["ALL"],"Ulimits":[{"Name":"core","Soft":0,"Hard":0}]},
            "Resources":{"Limits":{"MemoryBytes":134217728,"Pids":256}},"RestartPolicy":{"Condition":"any","Delay":500000000},"Networks":[{"Target":"n1","Aliases":["web.shop"]}],
            "LogDriver":{"Name":"json-file","Options":{"max-size":"1m","max-file":"2"}}},
            "Mode":{"Replicated":{"Replicas":2}},
            "UpdateConfig":{"Parallelism":1,"Order":"start-first","FailureAction":"rollback","Monitor":5000000000},"RollbackConfig":{"Parallelism":1,"Order":"start-first","FailureAction":"pause","Monitor":5000000000},
            "EndpointSpec":{"Mode":"dnsrr","Ports":[{"Protocol":"tcp","TargetPort":8080,"PublishedPort":0,"PublishMode":"host"}]}}
            """.Replace("SHORT", key.Revision[..8], StringComparison.Ordinal).Replace("REVISION", key.Revision, StringComparison.Ordinal).ReplaceLineEndings(""), JsonSerializer.Serialize(plan, EngineJson.Default.ServiceSettings));
    }

    [Fact]
    public void Everything_has_its_place_and_users_labels_cannot_take_ours()
    {
        var version = Version(new FunctionSpec
        {
            Container = Web with { Cpus = 0.5, MemoryMiB = 64, Pids = 9, Writable = true, Capabilities = ["NET_BIND_SERVICE"], Command = ["/run"], Args = ["-x"] },
            Constraints = ["node.role == worker"],
            Requests = new Dictionary<string, string> { ["memory"] = "32Mi", ["cpu"] = "100m" },
            Labels = new Dictionary<string, string> { ["team"] = "edge", ["stint.daemon"] = "another", ["function"] = "another" },
            Timeout = TimeSpan.FromSeconds(7),
        });
        var plan = ServicePlan.Of("d1", version, ServiceKey.Of(version, "", false), "i@sha256:2", "n1", published: false, [], [], 0, new ApiVersion(1, 44));
        var container = plan.TaskTemplate.ContainerSpec;
        Assert.Equal(("edge", "d1", "web"), (plan.Labels["team"], plan.Labels["stint.daemon"], plan.Labels["function"]));
        Assert.Equal(new TaskAmounts(500_000_000, 64 << 20, 9), plan.TaskTemplate.Resources!.Limits);
        Assert.Equal(new TaskAmounts(100_000_000, 32 << 20), plan.TaskTemplate.Resources.Reservations);
        Assert.Equal(["node.role==worker"], plan.TaskTemplate.Placement!.Constraints);
        Assert.Equal((false, null, 7_000_000_000), (container.ReadOnly, container.Mounts, container.StopGracePeriod!.Value));
        Assert.Equal(["CAP_NET_BIND_SERVICE"], container.CapabilityAdd!);
        Assert.Equal(["/run"], container.Command!);
        Assert.Equal(["-x"], container.Args!);
        Assert.True(container.Privileges!.NoNewPrivileges);
        Assert.Null(plan.EndpointSpec!.Ports);
    }

    [Theory]
    [InlineData("web:1", null, null)]
    [InlineData("shop/web:1", null, null)]
    [InlineData("registry.example/web:1", null, "registry.example/web:1")]
    [InlineData("localhost:5000/web", null, "localhost:5000/web")]
    [InlineData("web:1", "", "sha256:9")]
    [InlineData("web:1", "web@sha256:7", "web@sha256:7")]
    [InlineData("host:5000/web:1", "other@sha256:6 host:5000/web@sha256:7", "host:5000/web@sha256:7")]
    [InlineData("web:1", "other@sha256:6", "sha256:9")]
    public void An_image_that_was_never_in_a_registry_is_never_asked_for_there(string name, string? digests, string? expected) =>
        Assert.Equal(expected, ServicePlan.Image(name, digests is null ? null : new ImageDetails { Id = "sha256:9", RepoDigests = digests.Split(' ', StringSplitOptions.RemoveEmptyEntries) }));

    [Theory]
    [InlineData("a", "a")]
    [InlineData("-a_b-", "a-b")]
    [InlineData("___", "function")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123", "012345678901234567890123456789012345678901234567890123")]
    public void A_services_name_is_one_that_Swarm_takes(string function, string stem)
    {
        Assert.True(FunctionName.TryCreate("_", function, out var name));
        var key = new ServiceKey(name, "0123456789abcdef");
        Assert.Equal($"{stem}-01234567", key.ServiceName);
        Assert.True(key.ServiceName.Length <= 63);
    }

    [Fact]
    public void Another_version_other_secrets_or_another_way_is_another_service()
    {
        var version = Version(new FunctionSpec { Container = Web });
        ServiceKey[] keys = [ServiceKey.Of(version, "1", true), ServiceKey.Of(version, "2", true), ServiceKey.Of(version, "1", false), ServiceKey.Of(version with { Id = "01" }, "1", true)];
        Assert.Equal(4, keys.Distinct().Count());
        Assert.Equal(keys[0], ServiceKey.Of(version with { }, "1", true));
    }

    [Fact]
    public void What_a_service_cannot_do_is_said()
    {
        Assert.Null(ServicePlan.Misfit(Version(new FunctionSpec { Container = Web })));
        Assert.Contains("callback", ServicePlan.Misfit(Version(new FunctionSpec { Container = new ContainerSpec { Image = "i:1" } })), StringComparison.Ordinal);
        Assert.Contains("runsc", ServicePlan.Misfit(Version(new FunctionSpec { Container = Web with { Runtime = "runsc" } })), StringComparison.Ordinal);
        Assert.Contains("internal", ServicePlan.Misfit(Version(new FunctionSpec { Container = Web with { Network = ContainerNetwork.Internal } })), StringComparison.Ordinal);
        Assert.Contains("rps or capacity", ServicePlan.Misfit(Version(new FunctionSpec { Container = Web, ScaleBy = ScalingMeasure.Cpu })), StringComparison.Ordinal);
        Assert.Contains("single-use", ServicePlan.Misfit(Version(new FunctionSpec { Container = Web, SingleUse = true })), StringComparison.Ordinal);
    }

    private static FunctionVersion Version(FunctionSpec spec)
    {
        Assert.True(FunctionName.TryParse("web.shop", out var name));
        return new FunctionVersion { Name = name, Id = "00ff", Folder = null, DeployedAt = default, Spec = spec };
    }
}
