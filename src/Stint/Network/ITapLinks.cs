using Stint.Network.Netlink;

namespace Stint.Network;

/// <summary>What <see cref="TapStock"/> does with the kernel: on the host, or, in tests, in a namespace of theirs.</summary>
internal interface ITapLinks
{
    /// <summary>Makes a tap with its address on the host. It stays until it is removed.</summary>
    /// <returns>Its name.</returns>
    /// <exception cref="NetlinkException">The kernel refused; nothing is left.</exception>
    string Make(uint address, int mtu);

    /// <summary>Lets a user open a tap that nobody has open; null = the daemon's own.</summary>
    /// <exception cref="NetlinkException">It is gone, or open.</exception>
    void GiveTo(string name, int? user);

    /// <summary>Switches it off and on.</summary>
    /// <exception cref="NetlinkException">It is gone.</exception>
    void Restart(string name);

    /// <summary>Removes it; one that is gone already is no error.</summary>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    void Remove(string name);
}

/// <summary>Taps in the network namespace of the daemon.</summary>
internal sealed class HostTaps(HostLinks links) : ITapLinks
{
    /// <inheritdoc/>
    public string Make(uint address, int mtu) => links.MakeTap(address, mtu);

    /// <inheritdoc/>
    public void GiveTo(string name, int? user) => TapDevice.GiveTo(name, user);

    /// <inheritdoc/>
    public void Restart(string name) => HostLinks.Restart(name);

    /// <inheritdoc/>
    public void Remove(string name) => HostLinks.Remove(name);
}
