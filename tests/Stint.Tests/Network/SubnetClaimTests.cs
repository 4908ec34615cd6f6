using Stint.Network;

namespace Stint.Tests.Network;

/// <summary>How daemons keep out of each other's addresses.</summary>
public sealed class SubnetClaimTests
{
    // Of documentation's own ranges, which no daemon can have; a different one for each test, since the host's network is shared.
    private static readonly Ipv4Subnet Subnet = new(0xc6336400, 24), Half = new(0xc6336480, 25), Other = new(0xcb007100, 24);

    [Fact]
    public async Task What_one_has_another_does_not_get_nor_a_part_of_it()
    {
        using var first = await SubnetClaim.TakeAsync(Subnet, "first", TimeProvider.System, default);
        foreach (var wanted in new[] { Subnet, Half })
        {
            var refused = await Assert.ThrowsAsync<NetworkUnavailableException>(() => SubnetClaim.TakeAsync(wanted, "second", TimeProvider.System, default));
            Assert.Contains("collides with 198.51.100.0/24, which another Stint daemon on this host uses (first)", refused.Message, StringComparison.Ordinal);
            Assert.Contains("--network-subnet", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task It_is_free_again_with_its_owner()
    {
        (await SubnetClaim.TakeAsync(Other, "first", TimeProvider.System, default)).Dispose();
        using var second = await SubnetClaim.TakeAsync(Other, "second", TimeProvider.System, default);
    }

    [Fact]
    public async Task Of_many_at_once_exactly_one_gets_it()
    {
        var wanted = new Ipv4Subnet(0xc0000200, 24);
        var taken = await Task.WhenAll(Enumerable.Range(0, 16).Select(n => Task.Run(async () =>
        {
            try
            {
                return await SubnetClaim.TakeAsync(wanted, $"daemon{n}", TimeProvider.System, default);
            }
            catch (NetworkUnavailableException)
            {
                return null;
            }
        })));
        Assert.Single(taken, static claim => claim is not null);
        foreach (var claim in taken) claim?.Dispose();
    }

    [Fact]
    public void Names_in_the_kernels_list_are_read_with_distrust()
    {
        string[] lines =
        [
            "Num       RefCount Protocol Flags    Type St Inode Path",
            "0000000000000000: 00000002 00000000 00000000 0002 01 12345 @stint-network/10.100.0.0/16/0123456789ab",
            "0000000000000000: 00000002 00000000 00000000 0002 01 12346 /run/stint-network/10.101.0.0/16/x",
            "0000000000000000: 00000002 00000000 00000000 0002 01 12347 @stint-network/",
            "0000000000000000: 00000002 00000000 00000000 0002 01 12348 @stint-network/10.1/x",
            "0000000000000000: 00000002 00000000 00000000 0002 01 12349 @stint-network-lock",
            "0000000000000000: 00000002 00000000 00000000 0002 01 12350",
        ];
        var claim = Assert.Single(SubnetClaim.Read(lines));
        Assert.Equal(("10.100.0.0/16", "0123456789ab"), (claim.Subnet.ToString(), claim.Owner));
    }
}
