using FsCheck;
using FsCheck.Fluent;
using Stint.Coap.Messages;

namespace Stint.Coap.Tests.Messages;

public sealed class CodecProperties
{
    private static readonly Gen<byte[]> Bytes = Gen.Sized(size => Gen.Choose(0, Math.Min(size * 8, 1500)).SelectMany(n => Gen.ArrayOf(Gen.Choose(0, 255).Select(b => (byte)b), n)));

    private static readonly Gen<CoapOption> Options =
        from number in Gen.OneOf(Gen.Choose(0, 300), Gen.Choose(0, ushort.MaxValue))
        from value in Bytes
        select new CoapOption(number, value);

    // The empty code means a message of four bytes and nothing else; tokens of 9 to 12 bytes cannot be written.
    private static readonly Gen<CoapMessage> Messages =
        from type in Gen.Choose(0, 3)
        from code in Gen.Choose(1, 255)
        from id in Gen.Choose(0, ushort.MaxValue)
        from token in Bytes.Where(bytes => bytes.Length is <= 8 or >= 13)
        from options in Gen.ListOf(Options)
        from payload in Bytes
        select new CoapMessage
        {
            Type = (CoapMessageType)type,
            Code = new CoapCode((byte)code),
            MessageId = (ushort)id,
            Token = new CoapToken(token),
            Options = [.. options.Take(20)],
            Payload = payload,
        };

    [Fact]
    public void What_is_written_is_read_back() => Prop.ForAll(
        Messages.ToArbitrary(),
        message => CoapMessage.TryParse(message.ToArray(), out var read) && read.Equals(message)).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));

    [Fact]
    public void What_can_be_read_is_written_as_the_same_meaning() => Prop.ForAll(
        Bytes.ToArbitrary(),
        bytes =>
        {
            if (bytes.Length > 0) bytes[0] = (byte)(0x40 | (bytes[0] & 0x3f));
            return !CoapMessage.TryParse(bytes, out var message) || (CoapMessage.TryParse(message.ToArray(), out var again) && again.Equals(message));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(5000));
}
