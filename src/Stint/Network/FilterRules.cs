// The packet filter of instances, as one nftables table of our own, replaced as a whole in one transaction. What an instance sends passes, in the kernel's order:
//
//   prerouting   before anybody rewrites an address: is it the instance's own source address, and not one of the host's, of a neighbour's, or link-local?
//   input        packets for the host itself: only what prerouting has let through on purpose (a second line: others' rules may have redirected a packet to the host in between)
//   forward      to the world, but not into networks that live on this host (Docker's and other bridges); from the world only answers
//   postrouting  with the host's own address
//
// What is refused is answered, so that a function fails at once and not after minutes. A drop in any table is final, and an accept is one only for its own chain: no rule here can open what the host's own firewall closes.
using System.Globalization;
using System.Text;

namespace Stint.Network;

/// <summary>Writes the rules.</summary>
internal static class FilterRules
{
    /// <summary>Connections and other exchanges that one instance may have open at a time. The kernel's table of them is the whole host's (262,144 entries on a usual one).</summary>
    public const int MaxConnections = 4096;

    /// <summary>The name of a daemon's table, family inet.</summary>
    public static string TableName(string daemon) => $"stint_{daemon}";

    /// <summary>A script for <c>nft -f</c> that removes the table, and is content when there is none.</summary>
    public static string Removal(string daemon) => $"table inet {TableName(daemon)} {{ }}\ndelete table inet {TableName(daemon)}\n";

    /// <summary>A script for <c>nft -f</c> that puts the table into force, in place of one that is there.</summary>
    /// <param name="settings">What differs between hosts.</param>
    /// <param name="countsConnections">Whether connections are limited; some kernels are built without that (CONFIG_NFT_CONNLIMIT).</param>
    public static string Table(FilterSettings settings, bool countsConnections = true)
    {
        var text = new StringBuilder(Removal(settings.Daemon));
        var instances = string.Create(CultureInfo.InvariantCulture, $"{{ {settings.Group}, {settings.TapGroup} }}");
        text.Append(CultureInfo.InvariantCulture, $$"""
            table inet {{TableName(settings.Daemon)}} {
                set nameservers {
                    type ipv4_addr
                    {{Elements(settings.NameServers.Select(Ipv4Subnet.Text))}}
                }
                set uplinks {
                    type ifname
                    {{Elements(settings.Uplinks.Where(IsPlain).Select(static name => $"\"{name}\""))}}
                }
                set connections {
                    type ipv4_addr
                    size 65535
                    flags dynamic
                }

                chain permitted {
                    ct state established,related accept
                    {{string.Join("\n        ", settings.Allowed.Select(static target => string.Create(CultureInfo.InvariantCulture, $"meta l4proto {{ tcp, udp }} ip daddr {target.Addresses} th dport {target.Port} accept")))}}
                    meta l4proto { tcp, udp } ip daddr @nameservers th dport 53 accept
                    {{(settings.CallbackPort is { } port ? string.Create(CultureInfo.InvariantCulture, $"iifgroup {settings.TapGroup} fib daddr . iif type local tcp dport {port} accept") : "")}}
                }

                chain refuse {
                    meta l4proto tcp reject with tcp reset
                    reject with icmpx type admin-prohibited
                }

                chain prerouting {
                    type filter hook prerouting priority mangle; policy accept;
                    iifgroup {{instances}} jump from_instance
                }
                chain from_instance {
                    meta nfproto != ipv4 drop
                    fib saddr . iif oif missing drop
                    jump permitted
                    ip daddr { 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, {{settings.Subnet}}, 224.0.0.0/4, 240.0.0.0/4 } goto refuse
                    fib daddr type { local, broadcast, anycast, multicast } goto refuse
                }

                chain input {
                    type filter hook input priority filter; policy accept;
                    iifgroup {{instances}} jump to_host
                }
                chain to_host {
                    jump permitted
                    drop
                }

                chain forward {
                    type filter hook forward priority filter; policy accept;
                    iifgroup {{instances}} jump outward
                    oifgroup {{instances}} jump inward
                }
                chain outward {
                    jump permitted
                    oifgroup {{instances}} goto refuse
                    meta oifkind { "bridge", "veth" } oifname != @uplinks goto refuse
                    {{(countsConnections ? string.Create(CultureInfo.InvariantCulture, $"ct state new add @connections {{ ip saddr ct count over {MaxConnections} }} goto refuse") : "")}}
                    accept
                }
                chain inward {
                    ct state established,related accept
                    drop
                }

                chain postrouting {
                    type nat hook postrouting priority srcnat; policy accept;
                    ip saddr {{settings.Subnet}} oifgroup != {{instances}} masquerade
                }
            }

            """);
        if (settings.NotForwarded.Where(IsPlain).ToList() is { Count: > 0 } names)
            text.Append(CultureInfo.InvariantCulture, $$"""
                table inet {{TableName(settings.Daemon)}} {
                    set not_forwarded {
                        type ifname
                        {{Elements(names.Select(static name => $"\"{name}\""))}}
                    }
                    chain others {
                        type filter hook forward priority filter; policy accept;
                        iifname @not_forwarded oifname @not_forwarded drop
                    }
                }

                """);
        // What does not apply has left an empty line.
        return string.Join('\n', text.ToString().Split('\n').Where(static line => !string.IsNullOrWhiteSpace(line))) + "\n";
    }

    private static string Elements(IEnumerable<string> elements) => string.Join(", ", elements) is { Length: > 0 } list ? $"elements = {{ {list} }}" : "";

    // A link may be named almost anything, in a script that is no place for quotes and braces.
    private static bool IsPlain(string name) => name.Length > 0 && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '@' or ':');
}

/// <summary>What of the rules differs between hosts and daemons.</summary>
internal sealed record FilterSettings
{
    /// <summary>The daemon's id.</summary>
    public required string Daemon { get; init; }

    /// <summary>The group of instances' links.</summary>
    public required uint Group { get; init; }

    /// <summary>The group of taps.</summary>
    public required uint TapGroup { get; init; }

    /// <summary>Instances' addresses.</summary>
    public required Ipv4Subnet Subnet { get; init; }

    /// <summary>Exceptions.</summary>
    public IReadOnlyList<AllowedTarget> Allowed { get; init; } = [];

    /// <summary>Name servers of instances; reachable even when they are the host's own address.</summary>
    public IReadOnlyList<uint> NameServers { get; init; } = [];

    /// <summary>Links over which the world is reached, even when they are bridges.</summary>
    public IReadOnlyList<string> Uplinks { get; init; } = [];

    /// <summary>Links between which nothing is forwarded.</summary>
    public IReadOnlyList<string> NotForwarded { get; init; } = [];

    /// <summary>The port on the gateway at which VMs say that they are ready; null = none.</summary>
    public int? CallbackPort { get; init; }
}
