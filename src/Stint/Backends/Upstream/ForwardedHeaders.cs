using System.Net;
using System.Net.Sockets;
using Stint.Invocations;

namespace Stint.Backends.Upstream;

/// <summary>
/// Who called, in the headers that web servers look at: <c>Forwarded</c> (RFC 7239), <c>X-Forwarded-For</c>, <c>-Host</c>, <c>-Proto</c>. The daemon is the edge: what a caller says about itself is replaced,
/// unless the caller is a proxy that the operator trusts; then this hop is added to what that one said.
/// </summary>
internal static class ForwardedHeaders
{
    private const string Standard = "Forwarded", For = "X-Forwarded-For", Host = "X-Forwarded-Host", Proto = "X-Forwarded-Proto", RealIp = "X-Real-Ip", Prefix = "X-Forwarded-";

    /// <summary>Whether a caller's header is one of those that only a trusted proxy may send.</summary>
    public static bool IsOne(string name) => name.Length switch
    {
        < 9 => false,
        9 => name.Equals(Standard, StringComparison.OrdinalIgnoreCase) || name.Equals(RealIp, StringComparison.OrdinalIgnoreCase),
        _ => name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase),
    };

    /// <summary>Writes those that the function sees of a call, whether it brought any or not.</summary>
    /// <param name="head">Where to.</param>
    /// <param name="invocation">The call.</param>
    /// <param name="host">The host that was called; null when the caller named none.</param>
    public static void Write(ref HeadWriter head, Invocation invocation, string? host)
    {
        var (known, standard, list, hasHost, hasProto) = invocation.IsFromTrustedProxy ? Known(invocation.Headers) : default;
        // A proxy that uses one of the two forms gets this hop in that form: a second list that begins here would hide the caller.
        if (standard is not null || !known) WriteStandard(ref head, standard, invocation, host);
        if (list is not null || !known) WriteList(ref head, list, invocation.From);
        if (!hasHost && host is not null) head.Header(Host, host);
        if (!hasProto) head.Header(Proto, invocation.Scheme);
        if (!invocation.IsFromTrustedProxy) return;
        foreach (var (name, value) in invocation.Headers)
            if (IsOne(name) && !Is(name, Standard) && !Is(name, For)) head.Header(name, value);
    }

    // Forwarded: for=192.0.2.60;host="example.com:8000";proto=http    for="[2001:db8::1]"    for=unknown
    private static void WriteStandard(ref HeadWriter head, string? before, Invocation invocation, string? host)
    {
        head.Begin(Standard);
        if (before is not null)
        {
            head.Value(before);
            head.Raw(", "u8);
        }
        head.Raw("for="u8);
        var isIPv6 = invocation.From is { AddressFamily: AddressFamily.InterNetworkV6, IsIPv4MappedToIPv6: false };
        if (isIPv6) head.Raw("\"["u8);
        if (invocation.From is { } from) head.Value(from);
        else head.Raw("unknown"u8);
        if (isIPv6) head.Raw("]\""u8);
        if (host is not null && !host.AsSpan().ContainsAny('"', '\\'))
        {
            head.Raw(";host=\""u8);
            head.Value(host);
            head.Raw("\""u8);
        }
        head.Raw(";proto="u8);
        head.Value(invocation.Scheme);
        head.End();
    }

    private static void WriteList(ref HeadWriter head, string? before, IPAddress? from)
    {
        if (before is null && from is null) return;
        head.Begin(For);
        if (before is not null) head.Value(before);
        if (before is not null && from is not null) head.Raw(", "u8);
        if (from is not null) head.Value(from);
        head.End();
    }

    private static (bool Known, string? Standard, string? List, bool HasHost, bool HasProto) Known(HeaderList headers)
    {
        headers.TryGet(Standard, out var standard);
        headers.TryGet(For, out var list);
        return (standard is not null || list is not null, standard, list, headers.TryGet(Host, out _), headers.TryGet(Proto, out _));
    }

    private static bool Is(string name, string other) => name.Equals(other, StringComparison.OrdinalIgnoreCase);
}
