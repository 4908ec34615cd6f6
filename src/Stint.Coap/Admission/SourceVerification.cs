using System.Buffers.Binary;
using System.Security.Cryptography;
using Stint.Coap.Transport;

namespace Stint.Coap.Admission;

/// <summary>
/// Which peers have proved that they receive what is sent to their address (RFC 9175 §2). The Echo value is a time and a keyed hash over it and the peer, so
/// handing one out costs no memory; only who sends it back is remembered, and those cannot be spoofed.
/// </summary>
internal sealed class SourceVerification(int capacity)
{
    /// <summary>Bytes of an Echo value: a 32-bit time and eight bytes of HMAC-SHA256.</summary>
    public const int EchoLength = 12;

    /// <summary>How long a handed-out value may take to come back, milliseconds. Arbitrary: above the longest wait of a client that retransmits (93 s).</summary>
    private const long EchoLifetime = 120_000;

    /// <summary>How long a proof counts, milliseconds. Arbitrary: a quarter of an hour, as addresses change hands.</summary>
    private const long ProofLifetime = 900_000;

    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly Lock _gate = new();
    private readonly Dictionary<Peer, long> _verified = [];
    private readonly Queue<Peer> _order = new();

    /// <summary>Whether answers of any size may go there.</summary>
    public bool IsVerified(in Peer peer, long now)
    {
        if (peer.IsLoopback) return true;
        lock (_gate) return _verified.TryGetValue(peer, out var until) && until > now;
    }

    /// <summary>Writes an Echo value for this peer; the target needs <see cref="EchoLength"/> bytes.</summary>
    public void WriteEcho(in Peer peer, long now, Span<byte> target)
    {
        BinaryPrimitives.WriteUInt32BigEndian(target, (uint)now);
        Sign(peer, target[..4], target[4..EchoLength]);
    }

    /// <summary>Checks an Echo value that came back; if it is ours, for this peer and fresh, the peer is verified from now on.</summary>
    public bool Verify(in Peer peer, ReadOnlySpan<byte> echo, long now)
    {
        if (echo.Length != EchoLength) return false;
        Span<byte> expected = stackalloc byte[EchoLength - 4];
        Sign(peer, echo[..4], expected);
        var age = (uint)now - BinaryPrimitives.ReadUInt32BigEndian(echo);
        if (age > EchoLifetime || !CryptographicOperations.FixedTimeEquals(expected, echo[4..])) return false;

        lock (_gate)
        {
            if (!_verified.ContainsKey(peer))
            {
                if (_order.Count >= capacity) _verified.Remove(_order.Dequeue());
                _order.Enqueue(peer);
            }

            _verified[peer] = now + ProofLifetime;
        }

        return true;
    }

    private void Sign(in Peer peer, ReadOnlySpan<byte> time, Span<byte> target)
    {
        Span<byte> text = stackalloc byte[16 + 2 + 4];
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        peer.WriteAddress(text);
        BinaryPrimitives.WriteUInt16BigEndian(text[16..], peer.Port);
        time.CopyTo(text[18..]);
        HMACSHA256.HashData(_key, text, hash);
        hash[..target.Length].CopyTo(target);
    }
}
