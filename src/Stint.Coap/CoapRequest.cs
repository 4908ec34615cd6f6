using System.Net;
using System.Text;
using System.Text.Unicode;
using Stint.Coap.Blockwise;
using Stint.Coap.Messages;
using Stint.Coap.Transport;

namespace Stint.Coap;

/// <summary>What stops a request before any resource is asked.</summary>
internal enum RequestFlaw
{
    None,

    /// <summary>A critical option that is unknown, too often there or of a wrong length: 4.02, or the rejection of a NON (RFC 7252 §5.4.1).</summary>
    CriticalOption,

    /// <summary>Proxy-Uri or Proxy-Scheme: 5.05, as this server is no proxy (§5.10.2).</summary>
    Proxy,

    /// <summary>A path or query that is no UTF-8, or a block size that is reserved: 4.00.</summary>
    BadValue,
}

/// <summary>A request as a handler sees it: the body is whole, however many blocks it came in. It owns its bytes and may be kept.</summary>
public sealed class CoapRequest
{
    private readonly byte[] _datagram;
    private readonly int _optionsOffset;
    private string[]? _path;
    private string[]? _query;

    private CoapRequest(in Peer peer, byte[] datagram, in MessageHeader header)
    {
        (Peer, _datagram, _optionsOffset) = (peer, datagram, header.OptionsOffset);
        Method = header.Code;
        IsConfirmable = header.Type == CoapMessageType.Confirmable;
        MessageId = header.MessageId;
        Token = new CoapToken(datagram.AsSpan(header.TokenOffset, header.TokenLength));
        ReceivedBytes = datagram.Length;
    }

    /// <summary>GET, POST, …; may be a method that no RFC knows.</summary>
    public CoapCode Method { get; }

    /// <summary>Whether it came in a CON message.</summary>
    public bool IsConfirmable { get; }

    /// <summary>Ties answers to the request; chosen by the client.</summary>
    public CoapToken Token { get; }

    /// <summary>The path's segments, decoded; none for the root.</summary>
    public IReadOnlyList<string> PathSegments => _path ??= Texts(OptionNumber.UriPath);

    /// <summary>The path with slashes: <c>/a/b</c>; a slash within a segment is written <c>%2F</c>.</summary>
    public string Path => "/" + string.Join('/', PathSegments.Select(s => s.Replace("/", "%2F", StringComparison.Ordinal)));

    /// <summary>The query's parts, decoded: <c>a=1</c>, <c>b</c>.</summary>
    public IReadOnlyList<string> Query => _query ??= Texts(OptionNumber.UriQuery);

    /// <summary>The body's format, see <see cref="ContentFormats"/>; null when the client does not say.</summary>
    public int? ContentFormat { get; internal set; }

    /// <summary>The format that the client wants back.</summary>
    public int? Accept { get; private set; }

    /// <summary>The body.</summary>
    public ReadOnlyMemory<byte> Payload { get; internal set; }

    /// <summary>The No-Response option (RFC 7967): classes of answers that the client does not want, 2 = 2.xx, 8 = 4.xx, 16 = 5.xx; 0 = all are wanted.</summary>
    public int NoResponse { get; private set; }

    /// <summary>Whether no answer of any kind is wanted.</summary>
    public bool WantsNoAnswer => (NoResponse & 26) == 26;

    /// <summary>Whether the server asks again on behalf of observers.</summary>
    public bool IsNotification { get; private set; }

    /// <summary>Whether it came to a multicast address.</summary>
    public bool IsMulticast { get; private init; }

    /// <summary>The client's address.</summary>
    public IPEndPoint Source => Peer.ToEndPoint();

    /// <summary>All options of the message, in order.</summary>
    public IReadOnlyList<CoapOption> Options
    {
        get
        {
            var options = new List<CoapOption>();
            var reader = ReadOptions();
            while (reader.Next()) options.Add(new CoapOption(reader.Number, _datagram.AsMemory(reader.ValueOffset, reader.ValueLength)));
            return options;
        }
    }

    internal Peer Peer { get; }

    internal ushort MessageId { get; }

    internal BlockValue? Block1 { get; private set; }

    internal BlockValue? Block2 { get; private set; }

    /// <summary>0 = register, 1 = deregister (RFC 7641 §2).</summary>
    internal uint? Observe { get; private set; }

    internal uint? Size1 { get; private set; }

    internal bool WantsSize2 { get; private set; }

    internal bool HasETags { get; private set; }

    internal RequestFlaw Flaw { get; private set; }

    /// <summary>The critical option that was not understood.</summary>
    internal int BadOption { get; private set; }

    /// <summary>Where an Echo option lies in the datagram; length 0 for none.</summary>
    internal Range Echo { get; private set; }

    /// <summary>Bytes that the client has spent on this request; what an answer may be measured by.</summary>
    internal int ReceivedBytes { get; set; }

    /// <summary>Whether the only segments of the path are <c>.well-known</c> and <c>core</c>.</summary>
    internal bool IsDiscovery { get; private set; }

    internal ReadOnlySpan<byte> EchoValue => _datagram.AsSpan(Echo);

    internal OptionReader ReadOptions() => new(_datagram, _optionsOffset);

    /// <summary>Whether the client said that it has the representation with this ETag.</summary>
    internal bool HasETag(ReadOnlySpan<byte> tag)
    {
        if (!HasETags) return false;
        var reader = ReadOptions();
        while (reader.Next())
            if (reader.Number == OptionNumber.ETag && reader.Value.SequenceEqual(tag)) return true;
        return false;
    }

    /// <summary>The same request, asked by the server for the sake of observers.</summary>
    internal CoapRequest ForNotification()
    {
        var copy = (CoapRequest)MemberwiseClone();
        copy.IsNotification = true;
        return copy;
    }

    /// <summary>Reads the options once and keeps what the server itself needs; false for a message format error.</summary>
    internal static bool TryDecode(in Peer peer, in MessageHeader header, ReadOnlySpan<byte> datagram, bool multicast, out CoapRequest? request)
    {
        request = null;
        var check = new OptionReader(datagram, header.OptionsOffset);
        while (check.Next())
        {
        }

        if (check.IsMalformed) return false;
        request = new CoapRequest(peer, datagram.ToArray(), header) { IsMulticast = multicast };
        request.ReadAll();
        return true;
    }

    private void ReadAll()
    {
        var reader = ReadOptions();
        var last = -1;
        var segments = 0;
        while (reader.Next())
        {
            if (OptionRules.Recognises(reader.Number, reader.ValueLength, reader.Number == last))
            {
                if (reader.Number == OptionNumber.UriPath) IsDiscovery = IsDiscoverySegment(segments++, reader.Value);
                Take(reader);
            }
            else if (OptionNumber.IsCritical(reader.Number) && Flaw == RequestFlaw.None)
            {
                (Flaw, BadOption) = (RequestFlaw.CriticalOption, reader.Number);
            }

            last = reader.Number;
        }

        IsDiscovery &= segments == 2;
        Payload = _datagram.AsMemory(reader.PayloadOffset);
    }

    private bool IsDiscoverySegment(int index, ReadOnlySpan<byte> segment) =>
        index == 0 ? segment.SequenceEqual(".well-known"u8) : IsDiscovery && index == 1 && segment.SequenceEqual("core"u8);

    private void Take(scoped in OptionReader option)
    {
        var value = option.Value;
        switch (option.Number)
        {
            case OptionNumber.ETag:
                HasETags = true;
                break;
            case OptionNumber.Observe:
                Observe = UIntValue.Read(value);
                break;
            case OptionNumber.UriPath or OptionNumber.UriQuery or OptionNumber.UriHost:
                if (!Utf8.IsValid(value)) Flaw = RequestFlaw.BadValue;
                break;
            case OptionNumber.ContentFormat:
                ContentFormat = (int)UIntValue.Read(value);
                break;
            case OptionNumber.Accept:
                Accept = (int)UIntValue.Read(value);
                break;
            case OptionNumber.Block1:
                Block1 = Checked(BlockValue.FromRaw(UIntValue.Read(value)));
                break;
            case OptionNumber.Block2:
                Block2 = Checked(BlockValue.FromRaw(UIntValue.Read(value)));
                break;
            case OptionNumber.Size1:
                Size1 = UIntValue.Read(value);
                break;
            case OptionNumber.Size2:
                WantsSize2 = true;
                break;
            case OptionNumber.ProxyUri or OptionNumber.ProxyScheme:
                if (Flaw == RequestFlaw.None) Flaw = RequestFlaw.Proxy;
                break;
            case OptionNumber.Echo:
                Echo = option.ValueOffset..(option.ValueOffset + option.ValueLength);
                break;
            case OptionNumber.NoResponse:
                NoResponse = (int)UIntValue.Read(value);
                break;
        }
    }

    // RFC 7959 §2.2: the reserved size exponent leads to 4.00.
    private BlockValue Checked(BlockValue block)
    {
        if (block.Exponent == BlockValue.ReservedExponent) Flaw = RequestFlaw.BadValue;
        return block;
    }

    private string[] Texts(int number)
    {
        var count = 0;
        var reader = ReadOptions();
        while (reader.Next()) count += reader.Number == number && reader.ValueLength <= 255 ? 1 : 0;
        if (count == 0) return [];

        var texts = new string[count];
        count = 0;
        reader = ReadOptions();
        while (reader.Next())
            if (reader.Number == number && reader.ValueLength <= 255) texts[count++] = Encoding.UTF8.GetString(reader.Value);
        return texts;
    }
}
