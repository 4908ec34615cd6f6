using System.Runtime.InteropServices;

namespace Stint.Invocations;

/// <summary>Identities of calls: random UUIDs (version 4), from a fast generator because they name calls and guard nothing.</summary>
internal static class CallId
{
    /// <summary>The longest identity that is taken from a caller.</summary>
    public const int MaxLength = 128;

    /// <summary>A fresh one.</summary>
    public static string Next()
    {
        Span<long> random = [Random.Shared.NextInt64(), Random.Shared.NextInt64()];
        var bytes = MemoryMarshal.AsBytes(random);
        bytes[7] = (byte)((bytes[7] & 0x0f) | 0x40);
        bytes[8] = (byte)((bytes[8] & 0x3f) | 0x80);
        return new Guid(bytes).ToString();
    }

    /// <summary>The caller's own, when it is printable and short, else a fresh one.</summary>
    public static string Accept(string? given)
    {
        if (string.IsNullOrEmpty(given) || given.Length > MaxLength) return Next();
        foreach (var c in given)
            if (c is <= ' ' or >= '\x7f') return Next();
        return given;
    }
}
