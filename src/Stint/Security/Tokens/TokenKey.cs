using System.Security.Cryptography;
using Stint.Files;

namespace Stint.Security.Tokens;

/// <summary>The key that signs subjects' tokens: 32 random bytes in a file of its own, made at the first start. Without it, or with another, no token that was ever given out is good.</summary>
internal sealed class TokenKey
{
    private const int Length = 32;

    private readonly byte[] _key;

    private TokenKey(byte[] key) => _key = key;

    /// <summary>Reads the file, making it when it does not exist.</summary>
    /// <exception cref="IOException">It cannot be read or made, or is no key.</exception>
    public static TokenKey LoadOrCreate(string path)
    {
        if (!File.Exists(path)) PrivateFile.Write(path, RandomNumberGenerator.GetBytes(Length));
        var key = File.ReadAllBytes(path);
        return key.Length == Length ? new TokenKey(key) : throw new IOException($"the key of tokens in {path} has {key.Length} bytes instead of {Length}; delete the file to have one made, and all tokens with it");
    }

    /// <summary>Another key from now on, in the file too.</summary>
    /// <exception cref="IOException">It cannot be written, or is none.</exception>
    public static TokenKey Keep(string path, byte[] key)
    {
        if (key.Length != Length) throw new IOException($"that is no key of tokens: it has {key.Length} bytes instead of {Length}");
        PrivateFile.Write(path, key);
        return new TokenKey(key);
    }

    /// <summary>The key itself, for other gateways of the same store.</summary>
    public byte[] Export() => [.. _key];

    /// <summary>Signs (HMAC-SHA256, RFC 2104).</summary>
    public byte[] Sign(ReadOnlySpan<byte> bytes) => HMACSHA256.HashData(_key, bytes);
}
