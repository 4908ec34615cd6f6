using Stint.Network;
using Stint.Network.Netlink;

namespace Stint.Tests.Network;

/// <summary>Links of ours among links of others, in a namespace of the test's.</summary>
public sealed class HostLinksTests
{
    [Fact]
    public async Task Names_that_others_have_are_passed_over_and_left_alone()
    {
        using var space = await NetworkNamespace.MakeAsync();
        using var peer = await NetworkNamespace.MakeAsync();
        using var host = await space.RunAsync(static () => new RouteSocket());
        host.MakeBridge("faas0");
        host.MakeBridge("faas2");
        var links = new HostLinks("0123456789ab");
        await space.RunAsync(() =>
        {
            Assert.Equal("faas1", links.MakeVeth(peer, "eth0", 0x0a640001, 1400));
            Assert.Equal("faas3", links.MakeTap(0x0a640005, 1400));
            return true;
        });
        var veth = host.Find("faas1")!;
        var tap = host.Find("faas3")!;
        Assert.Equal(("stint:0123456789ab", links.Group, 1400, true), (veth.Alias, veth.Group, veth.Mtu, veth.IsUp));
        Assert.Equal(("stint:0123456789ab", links.TapGroup, 1400, true), (tap.Alias, tap.Group, tap.Mtu, tap.IsUp));
        Assert.Equal(["faas1", "faas3"], (await space.RunAsync(links.RemoveAll)).Order());
        Assert.Equal(["faas0", "faas2"], host.List().Select(static link => link.Name).Where(static name => name.StartsWith("faas", StringComparison.Ordinal)).Order());
    }

    [Fact]
    public async Task Of_a_group_that_somebody_else_is_in_as_well_only_ours_go()
    {
        using var space = await NetworkNamespace.MakeAsync();
        using var peer = await NetworkNamespace.MakeAsync();
        using var host = await space.RunAsync(static () => new RouteSocket());
        var links = new HostLinks("0123456789ab");
        await space.RunAsync(() => links.MakeVeth(peer, "eth0", 0x0a640001, 1400));
        host.MakeBridge("theirs");
        host.SetGroup(host.Find("theirs")!.Index, links.Group);
        host.SetAlias(host.Find("theirs")!.Index, "somebody's");
        await space.RunAsync(links.RemoveAll);
        Assert.Null(host.Find("faas0"));
        Assert.NotNull(host.Find("theirs"));
    }

    [Theory]
    [InlineData("faas1", "stint:0123456789ab", 0, true), InlineData("renamed", "stint:0123456789ab", 0, true), InlineData("faas1", "", 1, true), InlineData("faas1", "", 2, true)]
    [InlineData("faas1", "", 0, false), InlineData("eth0", "", 1, false), InlineData("faas1", "stint:ffffffffffff", 1, false), InlineData("faas1", "stint:0123456789ab2", 0, false)]
    public void A_link_is_ours_by_its_alias_or_by_group_and_name_while_it_has_none_yet(string name, string alias, int group, bool expected)
    {
        var links = new HostLinks("0123456789ab");
        Assert.Equal(expected, links.IsOurs(new Link(1, name, "veth", alias, group switch { 1 => links.Group, 2 => links.TapGroup, _ => 0 }, 1500, 0, true)));
    }

    [Fact]
    public void Groups_are_nobodys_default_and_differ_between_daemons()
    {
        var groups = Enumerable.Range(0, 1000).Select(static n => HostLinks.GroupOf($"{n:x12}")).ToList();
        Assert.All(groups, static group => Assert.True(group >= 0x40000000 && group % 2 == 0));
        Assert.True(groups.Distinct().Count() > 998);
    }

    [Fact]
    public async Task A_veth_network_is_a_way_into_a_namespace_and_goes_with_it()
    {
        using var space = await NetworkNamespace.MakeAsync();
        using var host = await space.RunAsync(static () => new RouteSocket());
        // What the product does on its own threads, which are those of the test's host, is done here from inside.
        var links = new HostLinks("0123456789ab");
        var inner = await NetworkNamespace.MakeAsync();
        var name = await space.RunAsync(() => links.MakeVeth(inner, "eth0", 0x0a640001, 1400));
        Assert.NotNull(host.Find(name));
        inner.Dispose();
        // The kernel takes namespaces down in the background.
        var since = TimeProvider.System.GetTimestamp();
        while (host.Find(name) is not null)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(30), "the link is still there");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
    }
}
