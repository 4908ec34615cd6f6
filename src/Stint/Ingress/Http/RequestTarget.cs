using Stint.Invocations;

namespace Stint.Ingress.Http;

/// <summary>A request target taken apart: <c>/{name}[.{module}][/sub/path][?query]</c>. Path and query stay as they were received.</summary>
internal readonly record struct RequestTarget(string Name, string Path, string Query)
{
    /// <summary>Whether the caller does not want to wait for the answer.</summary>
    public bool IsAsync { get; init; }

    /// <summary>Reads an origin-form target (RFC 9112 section 3.2.1).</summary>
    public static RequestTarget Parse(ReadOnlySpan<char> target)
    {
        var mark = target.IndexOf('?');
        var query = mark < 0 ? "" : target[(mark + 1)..].ToString();
        var path = (mark < 0 ? target : target[..mark]).TrimStart('/');
        var slash = path.IndexOf('/');
        var name = (slash < 0 ? path : path[..slash]).ToString();
        if (name.Contains('%', StringComparison.Ordinal)) name = Uri.UnescapeDataString(name);
        return new(name, slash < 0 ? "/" : path[slash..].ToString(), query);
    }

    /// <summary>The origin form of any target that Kestrel lets through; only that form is taken from the wire as it is.</summary>
    public static string Origin(string rawTarget, string path, string queryString) =>
        rawTarget.StartsWith('/') ? rawTarget : Uri.EscapeDataString(path).Replace("%2F", "/", StringComparison.Ordinal) + queryString;

    /// <summary>The function meant, if the name is one.</summary>
    public bool TryGetFunction(out FunctionName function) => FunctionName.TryParse(Name, out function);
}
