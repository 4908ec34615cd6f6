using System.Runtime.InteropServices;
using System.Text;
using Stint.Network.Netlink;

namespace Stint.Tests.Network.Netlink;

/// <summary>Answers of a kernel that is not to be trusted: whatever comes, it is understood or refused, and never read beyond its end.</summary>
public sealed class NetlinkAnswerTests
{
    [Fact]
    public void An_acknowledgement_is_the_end()
    {
        var isWhole = true;
        Assert.Equal(NetlinkSocket.Progress.End, NetlinkSocket.Take("test", Error(0, 7), 7, null, ref isWhole));
        Assert.True(isWhole);
    }

    [Fact]
    public void A_refusal_is_told_in_the_kernels_words()
    {
        var isWhole = true;
        var failure = Assert.Throws<NetlinkException>(() => NetlinkSocket.Take("make the link x", Error(-17, 7, "already there"), 7, null, ref isWhole));
        Assert.Equal(("cannot make the link x: File exists (already there)", 17), (failure.Message, failure.Error));
        failure = Assert.Throws<NetlinkException>(() => NetlinkSocket.Take("make the link x", Error(-1, 7), 7, null, ref isWhole));
        Assert.Equal("cannot make the link x: Operation not permitted; this needs CAP_NET_ADMIN", failure.Message);
    }

    [Fact]
    public void Answers_to_other_requests_are_passed_over()
    {
        var isWhole = true;
        Assert.Equal(NetlinkSocket.Progress.More, NetlinkSocket.Take("test", Error(-17, 6), 7, null, ref isWhole));
    }

    [Fact]
    public void A_list_that_changed_is_known_for_it()
    {
        var isWhole = true;
        NetlinkSocket.Take("test", Message(16, 0x10 | 0x2, 7, new byte[16]), 7, static (_, _) => { }, ref isWhole);
        Assert.False(isWhole);
    }

    [Theory]
    [InlineData(0), InlineData(1), InlineData(15), InlineData(17), InlineData(19)]
    public void A_message_that_is_cut_off_is_refused(int length)
    {
        var isWhole = true;
        var whole = Error(0, 7);
        if (length == 0) Assert.Equal(NetlinkSocket.Progress.More, NetlinkSocket.Take("test", whole.AsSpan(0, 0), 7, null, ref isWhole));
        else Assert.Contains("cut off", Assert.Throws<NetlinkException>(() => NetlinkSocket.Take("test", whole.AsSpan(0, length), 7, null, ref isWhole)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(int.MinValue), InlineData(int.MaxValue), InlineData(1), InlineData(-5000)]
    public void An_error_number_that_is_none_is_an_error_all_the_same(int number)
    {
        var isWhole = true;
        Assert.Throws<NetlinkException>(() => NetlinkSocket.Take("test", Error(number, 7), 7, null, ref isWhole));
    }

    [Fact]
    public void Half_a_million_broken_answers_break_nothing()
    {
        var random = new Random(20260801);
        var seeds = new[] { Error(-17, 7, "detail"), Error(0, 7), LinkMessage("eth0"), RouteMessage(), [.. LinkMessage("faas0"), .. LinkMessage("faas1"), .. Error(0, 7)] };
        for (var round = 0; round < 500_000; round++)
        {
            var bytes = (byte[])seeds[random.Next(seeds.Length)].Clone();
            for (var changes = random.Next(1, 6); changes > 0; changes--)
            {
                switch (random.Next(3))
                {
                    case 0: bytes[random.Next(bytes.Length)] = (byte)random.Next(256); break;
                    // Lengths stand in the first two bytes of an attribute and the first four of a message.
                    case 1: MemoryMarshal.Write(bytes.AsSpan(random.Next(bytes.Length - 1)), (ushort)random.Next(random.Next(2) == 0 ? 64 : 65536)); break;
                    default: bytes = bytes[..random.Next(2, bytes.Length + 1)]; break;
                }
            }
            try
            {
                var isWhole = true;
                NetlinkSocket.Take("test", bytes, 7, static (_, body) =>
                {
                    RouteSocket.ReadLink(body);
                    RouteSocket.ReadRoute(body);
                }, ref isWhole);
            }
            catch (NetlinkException)
            {
                // refused
            }
        }
    }

    [Fact]
    public void A_link_is_read_with_what_stands_beside_it()
    {
        Assert.Equal(new Link(42, "faas7", "veth", "stint:0123456789ab", 1000, 1400, 0, true), RouteSocket.ReadLink(LinkMessage("faas7").AsSpan(16)));
        Assert.Null(RouteSocket.ReadLink(new byte[15]));
        Assert.Null(RouteSocket.ReadRoute(new byte[11]));
    }

    private static byte[] Error(int number, uint sequence, string? detail = null)
    {
        // errno, our request's header (capped), attributes
        byte[] body = [.. BitConverter.GetBytes(number), .. new byte[16], .. detail is null ? [] : Attribute(1, [.. Encoding.UTF8.GetBytes(detail), 0])];
        return Message(2, detail is null ? 0x100 : 0x300, sequence, body);
    }

    private static byte[] LinkMessage(string name) => Message(16, 2, 7,
    [
        0, 0, 1, 0, .. BitConverter.GetBytes(42), .. BitConverter.GetBytes(1u), .. new byte[4],
        .. Attribute(3, [.. Encoding.UTF8.GetBytes(name), 0]), .. Attribute(4, BitConverter.GetBytes(1400u)), .. Attribute(27, BitConverter.GetBytes(1000u)),
        .. Attribute(20, [.. "stint:0123456789ab"u8, 0]), .. Attribute(18, [.. Attribute(1, [.. "veth"u8, 0])]),
    ]);

    private static byte[] RouteMessage() => Message(24, 2, 7, [2, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0, .. Attribute(1, [10, 100, 7, 0]), .. Attribute(5, [192, 168, 1, 1]), .. Attribute(4, BitConverter.GetBytes(2))]);

    private static byte[] Message(ushort type, int flags, uint sequence, byte[] body) =>
        [.. BitConverter.GetBytes(16 + body.Length), .. BitConverter.GetBytes(type), .. BitConverter.GetBytes((ushort)flags), .. BitConverter.GetBytes(sequence), 0, 0, 0, 0, .. body];

    private static byte[] Attribute(ushort type, byte[] value) =>
        [.. BitConverter.GetBytes((ushort)(4 + value.Length)), .. BitConverter.GetBytes(type), .. value, .. new byte[(4 - value.Length % 4) % 4]];
}
