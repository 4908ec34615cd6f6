using System.Buffers;
using System.Buffers.Text;
using System.Collections.Concurrent;
using Microsoft.Extensions.Primitives;
using Stint.Ingress.Http;
using Stint.Invocations;

namespace Stint.Ingress.Grpc.Wire;

/// <summary>
/// gRPC's metadata is HTTP/2's headers. As a function's headers they have the canonical capitalisation; those of the protocol itself stay out, in both directions. The value of a name that ends
/// in <c>-bin</c> is base64 on the wire and travels as that text.
/// </summary>
internal static class Metadata
{
    // Names of functions' headers come from outside: the table stops growing here, further names are spelt anew each time.
    private const int MaxRemembered = 1024;
    private static readonly ConcurrentDictionary<string, string> Lowered = new(StringComparer.Ordinal);

    // Header-Name → 1*( %x30-39 / %x61-7A / "_" / "-" / ".") (doc/PROTOCOL-HTTP2.md)
    private static readonly SearchValues<char> NameCharacters = SearchValues.Create("0123456789abcdefghijklmnopqrstuvwxyz_-.");

    /// <summary>The headers that a function sees of a call's metadata.</summary>
    public static HeaderList ToHeaders(IHeaderDictionary metadata)
    {
        var headers = new HeaderList();
        foreach (var (name, values) in metadata)
        {
            if (IsOfTheProtocol(name)) continue;
            headers.Add(HeaderNames.Canonical(name), values.Count == 1 ? values[0] ?? "" : string.Join(", ", (IEnumerable<string?>)values));
        }
        return headers;
    }

    /// <summary>Adds a function's headers to a response's metadata: lower-case, and only what gRPC can carry.</summary>
    public static void AddHeaders(IHeaderDictionary metadata, HeaderList headers)
    {
        foreach (var (name, value) in headers)
        {
            var lower = Lower(name);
            if (!IsOfTheProtocol(lower) && !lower.AsSpan().ContainsAnyExcept(NameCharacters) && IsValue(lower, value)) metadata[lower] = StringValues.Concat(metadata[lower], value);
        }
    }

    /// <summary>Headers of the connection, of HTTP/2's framing and of gRPC itself.</summary>
    public static bool IsOfTheProtocol(string name) =>
        HeaderSyntax.IsHopByHop(name) || name.StartsWith("grpc-", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Content-Type", StringComparison.OrdinalIgnoreCase) || name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase);

    // ASCII-Value → 1*( %x20-%x7E ); a client may end the whole call for a -bin value that is no base64.
    private static bool IsValue(string name, string value)
    {
        if (value.Length == 0 || value.AsSpan().ContainsAnyExceptInRange(' ', '~')) return false;
        return !name.EndsWith("-bin", StringComparison.Ordinal) || IsBase64(value.TrimEnd('='));
    }

    // With or without padding, as gRPC's own libraries take it.
    private static bool IsBase64(string unpadded) => Base64.IsValid(unpadded.PadRight((unpadded.Length + 3) / 4 * 4, '='));

    private static string Lower(string name)
    {
        if (!name.AsSpan().ContainsAnyInRange('A', 'Z')) return name;
        if (Lowered.TryGetValue(name, out var known)) return known;
        var lower = name.ToLowerInvariant();
        if (Lowered.Count < MaxRemembered) Lowered.TryAdd(name, lower);
        return lower;
    }
}
