using System.Net;
using System.Threading.Channels;

namespace Stint.Backends.Containers.Networks;

/// <summary>
/// The addresses of one network. The one that was given back longest ago comes next, so that what a dead instance's peers still send does not reach its successor.
/// </summary>
internal sealed class AddressPool
{
    /// <summary>The network's own, the gateway's, and the broadcast address.</summary>
    private const int Reserved = 3;

    private readonly Channel<IPAddress> _free = Channel.CreateUnbounded<IPAddress>();

    /// <param name="block">The network; its second address is the gateway's.</param>
    public AddressPool(IPNetwork block)
    {
        var size = 1u << (32 - block.PrefixLength);
        for (var offset = 2u; offset < size - 1; offset++) _free.Writer.TryWrite(SubnetPool.At(block, offset));
    }

    /// <summary>The longest prefix, and so the smallest block, that has room for so many instances.</summary>
    public static int PrefixFor(int instances)
    {
        var length = 29;
        while ((1 << (32 - length)) - Reserved < instances) length--;
        return length;
    }

    /// <summary>How many instances a block has room for.</summary>
    public static int Room(IPNetwork block) => (1 << (32 - block.PrefixLength)) - Reserved;

    /// <summary>Takes an address, waiting for one when all are in use.</summary>
    public ValueTask<IPAddress> TakeAsync(CancellationToken cancellationToken) => _free.Reader.ReadAsync(cancellationToken);

    /// <summary>Takes an address back.</summary>
    public void Return(IPAddress address) => _free.Writer.TryWrite(address);
}
