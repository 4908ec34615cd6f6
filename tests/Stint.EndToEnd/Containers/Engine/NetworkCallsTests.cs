using System.Net;
using Stint.Backends.Containers.Engine;

namespace Stint.EndToEnd.Containers.Engine;

/// <summary>Calls about networks, at a real engine.</summary>
[Collection(TestEngine.Collection)]
public sealed class NetworkCallsTests(TestEngine engine)
{
    private NetworkCalls Networks => engine.Client.Networks;

    [Fact]
    public async Task A_network_is_made_looked_at_joined_left_and_removed()
    {
        await using var own = new TestObjects(engine);
        var subnet = new IPNetwork(engine.Addresses.BaseAddress, 28);
        var (gateway, address) = (At(subnet, 1), At(subnet, 9));
        var id = await Networks.CreateAsync(Settings(own, "stint-test-a", subnet, gateway), default);

        var seen = await Networks.InspectAsync("stint-test-a", default);
        Assert.Equal((id, "stint-test-a", "bridge", true), (seen.Id, seen.Name, seen.Driver, seen.Internal));
        Assert.Equal((subnet.ToString(), gateway), (Assert.Single(seen.IPAM!.Config).Subnet, seen.IPAM.Config[0].Gateway));
        Assert.Equal(id, Assert.Single(await Networks.ListAsync(own.Filters(), default)).Id);

        var container = await own.StartAsync("ip -o -4 address show dev eth0; sleep 1000", settings => settings with
        {
            HostConfig = new HostConfig { NetworkMode = id, Init = true },
            NetworkingConfig = new NetworkingConfig(new Dictionary<string, EndpointSettings> { ["stint-test-a"] = EndpointSettings.At(address) }),
        });
        await own.WaitForOutputAsync(container, address);
        var endpoint = Assert.Single((await engine.Client.Containers.InspectAsync(container, default)).NetworkSettings!.Networks).Value;
        Assert.Equal((id, gateway.Length > 0, address), (endpoint.NetworkID, true, endpoint.IPAddress));
        Assert.Equal($"{address}/28", Assert.Single((await Networks.InspectAsync(id, default)).Containers).Value.IPv4Address);

        var inUse = await Assert.ThrowsAsync<EngineException>(() => Networks.RemoveAsync(id, default));
        Assert.Equal(EngineFault.Conflict, inUse.Fault);
        await Networks.DisconnectAsync(id, container, default);
        Assert.Empty((await Networks.InspectAsync(id, default)).Containers);
        await Networks.ConnectAsync(id, container, EndpointSettings.At(At(subnet, 10)), default);
        Assert.Equal($"{At(subnet, 10)}/28", Assert.Single((await Networks.InspectAsync(id, default)).Containers).Value.IPv4Address);

        await engine.Client.Containers.RemoveAsync(container, default);
        Assert.True(await Networks.RemoveAsync(id, default));
        Assert.False(await Networks.RemoveAsync(id, default));
    }

    [Fact]
    public async Task Addresses_and_names_of_another_network_are_refused()
    {
        await using var own = new TestObjects(engine);
        var subnet = new IPNetwork(engine.Addresses.BaseAddress, 28);
        await Networks.CreateAsync(Settings(own, "stint-test-b", subnet, null), default);
        var overlap = await Assert.ThrowsAsync<EngineException>(() => Networks.CreateAsync(Settings(own, "stint-test-c", subnet, null), default));
        Assert.Equal(EngineFault.Overlap, overlap.Fault);
        Assert.Contains("Choose addresses", overlap.Message, StringComparison.Ordinal);
        var taken = await Assert.ThrowsAsync<EngineException>(() => Networks.CreateAsync(Settings(own, "stint-test-b", new IPNetwork(IPAddress.Parse(At(subnet, 16)), 28), null), default));
        Assert.Equal(EngineFault.Conflict, taken.Fault);
    }

    [Fact]
    public async Task A_network_that_is_not_there_is_said_to_be_missing()
    {
        var failure = await Assert.ThrowsAsync<EngineException>(() => Networks.InspectAsync("stint-test-none", default));
        Assert.Equal(EngineFault.NoNetwork, failure.Fault);
        await using var own = new TestObjects(engine);
        // Engines look for the network at the start, some at the creation.
        failure = await Assert.ThrowsAsync<EngineException>(() => own.StartAsync("true", static settings => settings with { HostConfig = new HostConfig { NetworkMode = "stint-test-none" } }));
        Assert.Equal(EngineFault.NoNetwork, failure.Fault);
    }

    private static NetworkSettings Settings(TestObjects own, string name, IPNetwork subnet, string? gateway) => new()
    {
        Name = name, Internal = true, IPAM = NetworkAddresses.Of(subnet.ToString(), gateway), Labels = own.Labels,
        Options = new Dictionary<string, string> { ["com.docker.network.bridge.enable_icc"] = "false" },
    };

    private static string At(IPNetwork subnet, byte offset)
    {
        var bytes = subnet.BaseAddress.GetAddressBytes();
        bytes[3] += offset;
        return new IPAddress(bytes).ToString();
    }
}
