using Stint.Network;

namespace Stint.Tests.Network;

/// <summary>Networks of four addresses.</summary>
public sealed class AddressPoolTests
{
    private static readonly Ipv4Subnet Small = new(0x0a640000, 28); // four networks

    [Fact]
    public void They_lie_side_by_side_in_the_subnet()
    {
        var pool = new AddressPool(Small);
        Assert.Equal(4, pool.Count);
        Assert.Equal(["10.100.0.0/30", "10.100.0.4/30", "10.100.0.8/30", "10.100.0.12/30"], Enumerable.Range(0, 4).Select(_ => pool.Take().ToString()));
        Assert.Equal(4, pool.Taken);
    }

    [Fact]
    public void One_that_was_given_back_is_the_last_to_be_given_out_again()
    {
        var pool = new AddressPool(Small);
        var first = pool.Take();
        pool.Return(first);
        Assert.Equal(["10.100.0.4/30", "10.100.0.8/30", "10.100.0.12/30", "10.100.0.0/30"], Enumerable.Range(0, 4).Select(_ => pool.Take().ToString()));
    }

    [Fact]
    public void No_two_have_the_same_whatever_the_order()
    {
        var pool = new AddressPool(new Ipv4Subnet(0x0a640000, 24));
        var random = new Random(7);
        var held = new List<Ipv4Subnet>();
        for (var step = 0; step < 10_000; step++)
        {
            if (held.Count < pool.Count && (held.Count == 0 || random.Next(2) == 0)) held.Add(pool.Take());
            else
            {
                var at = random.Next(held.Count);
                pool.Return(held[at]);
                held.RemoveAt(at);
            }
            Assert.Equal(held.Count, held.Distinct().Count());
            Assert.Equal(held.Count, pool.Taken);
        }
    }

    [Fact]
    public void When_all_are_in_use_it_says_what_to_do()
    {
        var pool = new AddressPool(new Ipv4Subnet(0x0a640000, 30));
        pool.Take();
        var failure = Assert.Throws<NetworkUnavailableException>(() => pool.Take());
        Assert.Contains("all 1 networks of 10.100.0.0/30 are in use", failure.Message, StringComparison.Ordinal);
        Assert.Contains("--network-subnet", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_default_has_room_for_sixteen_thousand() => Assert.Equal(16_384, new AddressPool(NetworkOptions.DefaultSubnet).Count);
}
