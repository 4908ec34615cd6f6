using System.Buffers.Binary;
using System.Net;

namespace Stint.Backends.Containers.Networks;

/// <summary>Gives out aligned blocks of IPv4 addresses, the first ones that are free. Not safe for several callers at a time.</summary>
/// <param name="ranges">Where blocks come from, in order.</param>
internal sealed class SubnetPool(IReadOnlyList<IPNetwork> ranges)
{
    private readonly HashSet<IPNetwork> _taken = [];

    /// <summary>The ranges as an option writes them.</summary>
    public string Ranges => string.Join(", ", ranges);

    /// <summary>Takes the first free block; null when there is none.</summary>
    /// <param name="prefixLength">Of the block: 24 = 256 addresses.</param>
    /// <param name="others">Blocks that somebody else has.</param>
    public IPNetwork? TryTake(int prefixLength, IReadOnlyCollection<IPNetwork> others)
    {
        foreach (var range in ranges)
        {
            if (range.PrefixLength > prefixLength) continue;
            var (first, size) = (ToNumber(range.BaseAddress), 1L << (32 - prefixLength));
            for (var at = (long)first; at < first + (1L << (32 - range.PrefixLength)); at += size)
            {
                var block = new IPNetwork(ToAddress((uint)at), prefixLength);
                if (_taken.Any(taken => Overlap(taken, block)) || others.Any(other => Overlap(other, block))) continue;
                _taken.Add(block);
                return block;
            }
        }
        return null;
    }

    /// <summary>Takes a block back.</summary>
    public void Return(IPNetwork block) => _taken.Remove(block);

    /// <summary>Whether two blocks have an address in common.</summary>
    public static bool Overlap(IPNetwork one, IPNetwork other) => one.PrefixLength <= other.PrefixLength ? one.Contains(other.BaseAddress) : other.Contains(one.BaseAddress);

    /// <summary>The address that stands <paramref name="offset"/> after a block's first.</summary>
    public static IPAddress At(IPNetwork block, uint offset) => ToAddress(ToNumber(block.BaseAddress) + offset);

    private static uint ToNumber(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        address.TryWriteBytes(bytes, out _);
        return BinaryPrimitives.ReadUInt32BigEndian(bytes);
    }

    private static IPAddress ToAddress(uint number)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, number);
        return new IPAddress(bytes);
    }
}
