using Stint.Coap.Blockwise;
using Stint.Coap.Messages;

namespace Stint.Coap.Fuzz;

/// <summary>Makes datagrams that are almost right: a valid message of some kind, then a few bytes changed, cut, doubled or added.</summary>
internal sealed class Mutations(int seed)
{
    private static readonly byte[][] Seeds = [.. Examples()];

    private readonly Random _random = new(seed);

    /// <summary>Writes the next datagram; returns its length.</summary>
    public int Next(Span<byte> buffer)
    {
        var example = Seeds[_random.Next(Seeds.Length)];
        example.CopyTo(buffer);
        var length = example.Length;
        BitConverter.TryWriteBytes(buffer[2..], (ushort)_random.Next());
        for (var i = _random.Next(4); i > 0; i--) length = Mutate(buffer, length);
        return length;
    }

    private int Mutate(Span<byte> buffer, int length)
    {
        var at = length == 0 ? 0 : _random.Next(length);
        switch (_random.Next(6))
        {
            case 0 when length > 0:
                buffer[at] = (byte)_random.Next(256);
                return length;
            case 1 when length > 0:
                buffer[at] ^= (byte)(1 << _random.Next(8));
                return length;
            case 2:
                return at;
            case 3 when length + 8 < buffer.Length:
                _random.NextBytes(buffer.Slice(length, 8));
                return length + _random.Next(1, 9);
            case 4 when length > 0 && length + 1 < buffer.Length:
                buffer[at..length].CopyTo(buffer[(at + 1)..]);
                buffer[at] = _random.Next(2) == 0 ? (byte)0xff : (byte)_random.Next(256);
                return length + 1;
            default:
                return length;
        }
    }

    private static IEnumerable<byte[]> Examples()
    {
        CoapCode[] methods = [CoapCode.Get, CoapCode.Post, CoapCode.Put, CoapCode.Delete, CoapCode.Fetch];
        string[] paths = ["echo", "large", "slow", "throws", "observed", "none"];
        foreach (var type in Enum.GetValues<CoapMessageType>())
        {
            yield return Message(type, CoapCode.Empty, []);
            yield return Message(type, CoapCode.Content, [], 20);
            foreach (var method in methods)
            {
                foreach (var path in paths)
                {
                    yield return Message(type, method, [CoapOption.OfText(OptionNumber.UriPath, path)], 20);
                    yield return Message(type, method, [CoapOption.OfText(OptionNumber.UriPath, path), Block(OptionNumber.Block1, 0, true)], 16);
                    yield return Message(type, method, [CoapOption.OfText(OptionNumber.UriPath, path), Block(OptionNumber.Block1, 1, false)], 7);
                    yield return Message(type, method, [CoapOption.OfText(OptionNumber.UriPath, path), Block(OptionNumber.Block2, 3, false)]);
                    yield return Message(type, method, [CoapOption.OfUInt(OptionNumber.Observe, 0), CoapOption.OfText(OptionNumber.UriPath, path)]);
                    yield return Message(type, method, [CoapOption.OfUInt(OptionNumber.Observe, 1), CoapOption.OfText(OptionNumber.UriPath, path)]);
                    yield return Message(type, method, [CoapOption.OfText(OptionNumber.UriPath, path), new(OptionNumber.Echo, new byte[12]), CoapOption.OfUInt(OptionNumber.NoResponse, 26)]);
                }
            }

            yield return Message(type, CoapCode.Get,
            [
                CoapOption.OfText(OptionNumber.UriPath, ".well-known"), CoapOption.OfText(OptionNumber.UriPath, "core"), CoapOption.OfText(OptionNumber.UriQuery, "rt=a*"),
            ]);
        }
    }

    private static CoapOption Block(int number, int block, bool more) => CoapOption.OfUInt(number, new BlockValue(block, more, 0).Raw);

    private static byte[] Message(CoapMessageType type, CoapCode code, CoapOption[] options, int payload = 0) => new CoapMessage
    {
        Type = type,
        Code = code,
        MessageId = 1,
        Token = code == CoapCode.Empty ? default : new CoapToken("\u0001\u0002\u0003"u8),
        Options = options,
        Payload = new byte[payload],
    }.ToArray();
}
