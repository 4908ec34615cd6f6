using System.Diagnostics.CodeAnalysis;

namespace Stint.Invocations;

/// <summary>
/// The headers of an invocation or a reply, in order, names compared without case. Names of an invocation keep the canonical
/// HTTP capitalisation (<c>User-Agent</c>), whatever the protocol sent; a name occurs once, its values joined by <c>, </c>.
/// A reply may repeat a name (<c>Set-Cookie</c>).
/// </summary>
internal sealed class HeaderList : List<KeyValuePair<string, string>>
{
    /// <summary>No headers, for those who have none to say: it must not be changed.</summary>
    public static HeaderList None { get; } = [];

    /// <summary>A list for a handful of headers.</summary>
    public HeaderList() : base(8) { }

    /// <summary>Appends a header.</summary>
    public void Add(string name, string value) => Add(new KeyValuePair<string, string>(name, value));

    /// <summary>The first header of that name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out string? value)
    {
        foreach (var (key, text) in this)
        {
            if (!key.Equals(name, StringComparison.OrdinalIgnoreCase)) continue;
            value = text;
            return true;
        }
        value = null;
        return false;
    }
}
