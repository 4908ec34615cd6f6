namespace Stint.Network.Netlink;

/// <summary>A network interface.</summary>
/// <param name="Index">The kernel's number for it.</param>
/// <param name="Name">Its name, at most 15 bytes.</param>
/// <param name="Kind">What it is: <c>veth</c>, <c>bridge</c>, <c>tun</c> (taps as well); empty for a device.</param>
/// <param name="Alias">A text that somebody put beside it.</param>
/// <param name="Group">The group that it is in; 0 unless somebody chose one.</param>
/// <param name="Mtu">The largest packet, bytes.</param>
/// <param name="Master">The bridge that it is a port of; 0 = none.</param>
/// <param name="IsUp">Whether it is switched on.</param>
internal sealed record Link(int Index, string Name, string Kind, string Alias, uint Group, int Mtu, int Master, bool IsUp);
