using Stint.Network;

namespace Stint.Tests.Network;

/// <summary>What others' firewalls say, read.</summary>
public sealed class ForwardPolicyTests
{
    [Fact]
    public void Chains_that_drop_what_is_forwarded_are_found()
    {
        const string json = """
            {"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
              {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
              {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "handle": 2, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
              {"chain": {"family": "ip", "table": "filter", "name": "DOCKER", "handle": 3}},
              {"chain": {"family": "inet", "table": "stint_0123456789ab", "name": "forward", "handle": 4, "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}},
              {"chain": {"family": "inet", "table": "mine", "name": "through", "handle": 5, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
              {"chain": {"family": "ip6", "table": "filter", "name": "FORWARD", "handle": 6, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}}]}
            """;
        Assert.Equal([("ip", "filter", "FORWARD"), ("inet", "mine", "through")], ForwardPolicy.Dropping(json));
    }

    [Theory]
    [InlineData(""), InlineData("{"), InlineData("[]"), InlineData("{}"), InlineData("null"), InlineData("{\"nftables\": 1}"), InlineData("{\"nftables\": [1, {\"chain\": 1}]}"), InlineData("{\"nftables\": [{\"chain\": {\"hook\": 1, \"policy\": []}}]}")]
    public void Anything_else_says_nothing(string json) => Assert.Empty(ForwardPolicy.Dropping(json));

    [Fact]
    public void Our_rules_are_known_by_their_comment()
    {
        var policy = new ForwardPolicy(NetworkOptions.DefaultSubnet, "0123456789ab", "/nonexistent", TimeProvider.System);
        const string listing = """
            -P FORWARD DROP
            -A FORWARD -s 10.100.0.0/16 -m comment --comment "stint:0123456789ab" -j ACCEPT
            -A FORWARD -d 10.100.0.0/16 -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment stint:0123456789ab -j ACCEPT
            -A FORWARD -s 10.101.0.0/16 -m comment --comment stint:ffffffffffff -j ACCEPT
            -A FORWARD -j DOCKER-USER
            """;
        Assert.Equal(
        [
            ["FORWARD", "-s", "10.100.0.0/16", "-m", "comment", "--comment", "stint:0123456789ab", "-j", "ACCEPT"],
            ["FORWARD", "-d", "10.100.0.0/16", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-m", "comment", "--comment", "stint:0123456789ab", "-j", "ACCEPT"],
        ], policy.Ours(listing));
    }
}
