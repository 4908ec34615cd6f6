using System.Text;
using Stint.Watchdog.Http;

namespace Stint.Watchdog.Upstreams;

/// <summary>Fields that belong to one connection and are not passed on (RFC 9110 section 7.6.1).</summary>
internal static class HopByHop
{
    private static readonly byte[][] Names =
        [.. new[] { "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Content-Length", "TE", "Trailer", "Upgrade", "Expect" }.Select(Encoding.ASCII.GetBytes)];

    /// <summary>Whether a field stays on its connection. Body framing is among them: each side has its own.</summary>
    public static bool Contains(HeaderFields fields, ReadOnlySpan<byte> name)
    {
        foreach (var one in Names)
        {
            if (Ascii.EqualsIgnoreCase(name, one)) return true;
        }
        return fields.Lists("Connection"u8, name);
    }
}
