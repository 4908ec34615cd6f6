using Stint.Network;

namespace Stint.Tests.Network;

/// <summary>Name servers that an instance can reach.</summary>
public sealed class ResolverFileTests
{
    private const string Head = "# Written by Stint for functions.\n";

    [Fact]
    public void The_hosts_servers_and_its_search_list_are_taken_over() =>
        Assert.Equal(Head + "nameserver 192.168.1.1\nnameserver 9.9.9.9\nsearch example.net lan\noptions timeout:1\n",
            Make([], "# comment\nnameserver 192.168.1.1\n  nameserver\t9.9.9.9  \nnameserver fd00::1\nsearch example.net  lan\noptions timeout:1\nsortlist 1.2.3.4\n").Text);

    [Fact]
    public void Of_a_resolver_on_the_loopback_its_own_servers_are_taken() =>
        Assert.Equal([0xc0a80101u], Make([], "nameserver 127.0.0.53\noptions edns0\n", "nameserver 192.168.1.1\n").Servers);

    [Theory]
    [InlineData("", "this host has no name server"), InlineData("nameserver 127.0.0.1\nnameserver ::1\n", "the host's name server is 127.0.0.1, ::1, which they cannot reach")]
    [InlineData("nameserver not.an.address\nnameserver\n\0\u00ff", "not.an.address")]
    public void Without_any_it_says_what_to_do(string file, string expected)
    {
        var content = Make([], file);
        Assert.Empty(content.Servers);
        Assert.Contains(expected, content.Problem, StringComparison.Ordinal);
        Assert.Contains("--network-dns", content.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_operators_servers_replace_all_of_that() => Assert.Equal(Head + "nameserver 10.0.0.53\n", Make([0x0a000035], "nameserver 192.168.1.1\nsearch lan\n").Text);

    [Fact]
    public void A_carrier_answers_in_place_of_the_hosts_servers() =>
        Assert.Equal(Head + "nameserver 10.100.0.3\nsearch lan\n", ResolverFile.Make([], 0x0a640003, ["nameserver 127.0.0.53\nsearch lan\n"]).Text);

    [Fact]
    public void No_more_than_three_count() => Assert.Equal(3, Make([], "nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 1.1.1.1\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n").Servers.Count);

    private static ResolverContent Make(IReadOnlyList<uint> chosen, params string[] sources) => ResolverFile.Make(chosen, null, sources);
}
