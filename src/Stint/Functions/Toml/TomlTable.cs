using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Stint.Functions.Toml;

/// <summary>A key with its value and the key's own place.</summary>
internal sealed record TomlEntry(string Key, TomlPosition Position, TomlValue Value);

/// <summary>How a table came to be; decides what may still be added to it (TOML 1.0, "Table" and "Inline Table").</summary>
internal enum TomlTableForm
{
    /// <summary>Only named on the way to another: <c>a</c> of <c>[a.b]</c>. A header may still define it.</summary>
    Implicit,

    /// <summary>Defined by a header, or the document itself.</summary>
    Header,

    /// <summary>Defined by a dotted key: more dotted keys may add to it, a header may not.</summary>
    Dotted,

    /// <summary>Written in braces: complete.</summary>
    Inline,
}

/// <summary>A table: keys in the order of the file, compared exactly.</summary>
internal sealed class TomlTable : TomlValue, IReadOnlyCollection<TomlEntry>
{
    private readonly OrderedDictionary<string, TomlEntry> _entries = new(StringComparer.Ordinal);

    /// <summary>How the table came to be. Only the parser changes it.</summary>
    public TomlTableForm Form { get; set; } = TomlTableForm.Header;

    /// <inheritdoc/>
    public int Count => _entries.Count;

    /// <inheritdoc/>
    public override string Kind => "a table";

    /// <summary>The entry of that key.</summary>
    public bool TryGet(string key, [NotNullWhen(true)] out TomlEntry? entry) => _entries.TryGetValue(key, out entry);

    /// <summary>Adds a key; false when it is there already.</summary>
    public bool TryAdd(TomlEntry entry) => _entries.TryAdd(entry.Key, entry);

    /// <summary>Adds a key of a table that is not read from a file.</summary>
    public void Add(string key, TomlValue value) => _entries.Add(key, new TomlEntry(key, default, value));

    /// <inheritdoc/>
    public IEnumerator<TomlEntry> GetEnumerator() => _entries.Values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>An array; its values may be of different kinds.</summary>
internal sealed class TomlArray : TomlValue, IReadOnlyList<TomlValue>
{
    private readonly List<TomlValue> _items = [];

    /// <summary>Whether it is made of <c>[[…]]</c> sections, and so may grow.</summary>
    public bool IsOfTables { get; init; }

    /// <inheritdoc/>
    public int Count => _items.Count;

    /// <inheritdoc/>
    public TomlValue this[int index] => _items[index];

    /// <inheritdoc/>
    public override string Kind => IsOfTables ? "an array of tables" : "an array";

    /// <summary>Appends a value.</summary>
    public void Add(TomlValue value) => _items.Add(value);

    /// <inheritdoc/>
    public IEnumerator<TomlValue> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
