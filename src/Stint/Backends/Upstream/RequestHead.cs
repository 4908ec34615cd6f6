using System.Buffers;
using Stint.Invocations;

namespace Stint.Backends.Upstream;

/// <summary>A request as it goes over the connection: its head, with the body behind it when that is held (RFC 9112 section 3).</summary>
/// <param name="Rented">An array of the shared pool that begins with it.</param>
/// <param name="Length">How much of the array it is.</param>
internal readonly record struct RequestHead(byte[] Rented, int Length)
{
    /// <summary>The most bytes that a head may have.</summary>
    public const int MaxSize = 64 * 1024;

    // Room for what is added to a caller's own headers.
    private const int Added = 512;

    /// <summary>Makes the request of a call.</summary>
    /// <param name="invocation">The call.</param>
    /// <param name="authority">The server's <c>address:port</c>, for callers that named no host.</param>
    /// <param name="closes">Whether to ask the server to close the connection after its answer.</param>
    /// <param name="head">The request.</param>
    /// <param name="problem">Why HTTP cannot say this, for the caller.</param>
    public static bool TryCreate(Invocation invocation, string authority, bool closes, out RequestHead head, out string problem)
    {
        head = default;
        problem = Check(invocation);
        if (problem.Length > 0) return false;
        var size = Added + invocation.Method.Length + invocation.Path.Length + invocation.Query.Length + (int)invocation.Body.Length;
        foreach (var (name, value) in invocation.Headers) size += name.Length + value.Length + 4;
        var writer = new HeadWriter(size);
        WriteHead(ref writer, invocation, authority, closes);
        if (writer.Length > MaxSize)
        {
            ArrayPool<byte>.Shared.Return(writer.Take());
            problem = $"the request's headers, path and query together are larger than {MaxSize} bytes";
            return false;
        }
        writer.Raw(invocation.Body);
        head = new RequestHead(writer.Take(), writer.Length);
        return true;
    }

    /// <summary>Gives back one that is not sent.</summary>
    public void Return() => ArrayPool<byte>.Shared.Return(Rented);

    private static void WriteHead(ref HeadWriter head, Invocation invocation, string authority, bool closes)
    {
        head.Value(invocation.Method);
        head.Raw(" "u8);
        head.Value(invocation.Path);
        if (invocation.Query.Length > 0)
        {
            head.Raw("?"u8);
            head.Value(invocation.Query);
        }
        head.Raw(" HTTP/1.1\r\n"u8);
        var host = invocation.Headers.TryGet("Host", out var named) && named.Length > 0 ? named : null;
        head.Header("Host", host ?? authority);
        foreach (var (name, value) in invocation.Headers)
            if (!IsOurs(name) && !HeaderSyntax.IsHopByHop(name) && !ForwardedHeaders.IsOne(name)) head.Header(name, value);
        ForwardedHeaders.Write(ref head, invocation, host);
        head.Header("X-Call-Id", invocation.CallId);
        if (invocation.Upgrade is { } upgrade)
        {
            head.Raw("Connection: Upgrade\r\n"u8);
            head.Header("Upgrade", upgrade);
        }
        else if (closes) head.Raw("Connection: close\r\n"u8);
        WriteFraming(ref head, invocation);
        head.End();
    }

    private static void WriteFraming(ref HeadWriter head, Invocation invocation)
    {
        if (invocation.BodyStream is not null && invocation.BodyLength is null)
        {
            head.Raw("Transfer-Encoding: chunked\r\n"u8);
            return;
        }
        var length = invocation.BodyStream is null ? invocation.Body.Length : invocation.BodyLength!.Value;
        // RFC 9110 section 8.6: methods that usually have a body say that there is none.
        if (length == 0 && invocation.Method is not ("POST" or "PUT" or "PATCH")) return;
        head.Begin("Content-Length");
        head.Value(length);
        head.End();
    }

    /// <summary>Headers that are written anew, or answered by the daemon itself (<c>Expect</c>: it has said 100 before it reads the body).</summary>
    private static bool IsOurs(string name) => name.Length switch
    {
        4 => name.Equals("Host", StringComparison.OrdinalIgnoreCase),
        6 => name.Equals("Expect", StringComparison.OrdinalIgnoreCase),
        9 => name.Equals("X-Call-Id", StringComparison.OrdinalIgnoreCase),
        14 => name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase),
        _ => false,
    };

    /// <summary>
    /// What is wrong with a call as an HTTP request, empty when nothing is. Each ingress has its own rules; here, where a line break would be another header or another request, all are held to HTTP's.
    /// </summary>
    private static string Check(Invocation invocation)
    {
        if (!HeaderSyntax.IsToken(invocation.Method)) return "the method is no HTTP method";
        if (invocation.Method == "CONNECT") return "CONNECT asks for a proxy; a function is none";
        if (!invocation.Path.StartsWith('/') || IsNoTarget(invocation.Path)) return "the path must begin with a slash and be percent-encoded";
        if (IsNoTarget(invocation.Query)) return "the query must be percent-encoded";
        foreach (var (name, value) in invocation.Headers)
        {
            if (!HeaderSyntax.IsToken(name) && !HeaderSyntax.IsHopByHop(name)) return "a header's name has characters that no HTTP header has";
            if (!HeaderSyntax.IsValue(value)) return $"the value of the header {name} has control characters in it";
        }
        return invocation.Upgrade is { } upgrade && !HeaderSyntax.IsValue(upgrade) ? "the value of the header Upgrade has control characters in it" : "";
    }

    // Visible ASCII: RFC 3986 has nothing else. Which of its characters belong encoded is between caller and function.
    private static bool IsNoTarget(string text) => text.AsSpan().ContainsAnyExceptInRange('!', '~');
}
