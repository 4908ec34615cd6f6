using System.Buffers.Binary;
using Stint.Coap.Messages;
using Stint.Coap.Transport;

namespace Stint.Coap.Blockwise;

/// <summary>
/// What makes two requests mean the same thing: the method and some of the options, for one peer or (with the default peer) for all.
/// Block-wise transfers are kept apart by it (RFC 7959 §2.4 and §2.5: per endpoint and resource) and observers of one resource are brought together.
/// </summary>
internal readonly struct RequestKey : IEquatable<RequestKey>
{
    private readonly Peer _peer;
    private readonly byte[] _bytes;
    private readonly int _hash;

    private RequestKey(in Peer peer, byte[] bytes)
    {
        (_peer, _bytes) = (peer, bytes);
        var hash = new HashCode();
        hash.Add(peer);
        hash.AddBytes(bytes);
        _hash = hash.ToHashCode();
    }

    /// <summary>An upload: resource and Request-Tag (RFC 9175 §3.3).</summary>
    public static RequestKey ForUpload(CoapRequest request) =>
        new(request.Peer, Canonical(request, static number => IsUri(number) || number == OptionNumber.RequestTag, withPayload: false));

    /// <summary>
    /// A download: resource and Accept. The later requests of a download need not repeat Content-Format, payload or tag (RFC 7959 §3.3).
    /// </summary>
    public static RequestKey ForDownload(CoapRequest request) =>
        new(request.Peer, Canonical(request, static number => IsUri(number) || number == OptionNumber.Accept, withPayload: false));

    /// <summary>An observed representation, whoever observes it; for FETCH the payload belongs to it (RFC 8132 §2.4).</summary>
    public static RequestKey ForObserving(CoapRequest request) =>
        new(default, Canonical(request, static number => IsUri(number) || number is OptionNumber.Accept or OptionNumber.ContentFormat, withPayload: true));

    /// <inheritdoc/>
    public bool Equals(RequestKey other) => _hash == other._hash && _peer == other._peer && _bytes.AsSpan().SequenceEqual(other._bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is RequestKey other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _hash;

    private static bool IsUri(int number) => number is OptionNumber.UriHost or OptionNumber.UriPort or OptionNumber.UriPath or OptionNumber.UriQuery;

    private static byte[] Canonical(CoapRequest request, Func<int, bool> counts, bool withPayload)
    {
        using var bytes = new MemoryStream(64);
        Span<byte> head = stackalloc byte[4];
        bytes.WriteByte(request.Method.Value);
        var reader = request.ReadOptions();
        while (reader.Next())
        {
            if (!counts(reader.Number)) continue;
            BinaryPrimitives.WriteUInt16BigEndian(head, (ushort)reader.Number);
            BinaryPrimitives.WriteUInt16BigEndian(head[2..], (ushort)reader.ValueLength);
            bytes.Write(head);
            bytes.Write(reader.Value);
        }

        if (withPayload) bytes.Write(request.Payload.Span);
        return bytes.ToArray();
    }
}
