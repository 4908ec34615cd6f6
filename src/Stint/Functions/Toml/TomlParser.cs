namespace Stint.Functions.Toml;

/// <summary>
/// Reads a document line by line: blank lines, <c>[table]</c>, <c>[[array of tables]]</c>, <c>key = value</c>. An error spoils its line only and reading goes on with the next,
/// unless an array or a multi-line string is open: nobody can tell where that was meant to end.
/// </summary>
internal sealed class TomlParser(string text)
{
    private readonly TomlCursor _cursor = new(text);
    private readonly List<TomlProblem> _problems = [];

    /// <summary>The table that keys go to, and how deep it lies.</summary>
    private TomlTable _section = null!;
    private int _sectionDepth;

    /// <summary>The document's table.</summary>
    public TomlTable Root { get; } = new() { Position = new TomlPosition(1, 1) };

    /// <summary>What is wrong.</summary>
    public IReadOnlyList<TomlProblem> Problems => _problems;

    /// <summary>Reads all of the text. Once only.</summary>
    public void Run()
    {
        _section = Root;
        while (!_cursor.AtEnd && _problems.Count < TomlDocument.MaxProblems)
        {
            try
            {
                ReadLine();
            }
            catch (TomlSyntaxException error)
            {
                _problems.Add(TomlProblem.At(text, error.Position, error.Message));
                if (_cursor.OpenLines > 0) return;
                _cursor.SkipLine();
            }
        }
    }

    private void ReadLine()
    {
        _cursor.SkipBlanks();
        if (_cursor.Next == '[') ReadHeader();
        else if (_cursor.Next != '#' && !_cursor.IsAtLineEnd() && !_cursor.AtEnd) ReadKeyValue(_section, _sectionDepth);
        _cursor.SkipBlanks();
        _cursor.TrySkipComment();
        if (_cursor.AtEnd || _cursor.TrySkipLineEnd()) return;
        _cursor.ForbidControl("a line");
        throw _cursor.Fail($"expected the end of the line, found {_cursor.DescribeNext()}");
    }

    private void ReadHeader()
    {
        // Until the header is known to be good, the keys below it go nowhere.
        _section = new TomlTable();
        _sectionDepth = 0;
        var isArray = _cursor.TrySkip("[[");
        if (!isArray) _cursor.Skip();
        _cursor.SkipBlanks();
        var key = ReadKey(0);
        _cursor.SkipBlanks();
        var close = isArray ? "]]" : "]";
        if (!_cursor.TrySkip(close)) throw _cursor.Fail($"expected `{close}` after the table's name, found {_cursor.DescribeNext()}");
        var parent = Root;
        foreach (var part in key[..^1]) parent = Enter(parent, part);
        _section = isArray ? AppendTable(parent, key[^1]) : DefineTable(parent, key[^1]);
        _sectionDepth = key.Count;
    }

    /// <summary>The table that a part of a header's path leads to; an array of tables leads to its last one.</summary>
    private static TomlTable Enter(TomlTable parent, Part part)
    {
        if (!parent.TryGet(part.Name, out var entry))
        {
            var table = new TomlTable { Form = TomlTableForm.Implicit, Position = part.Position };
            parent.TryAdd(new TomlEntry(part.Name, part.Position, table));
            return table;
        }
        return entry.Value switch
        {
            TomlTable { Form: not TomlTableForm.Inline } table => table,
            TomlArray { IsOfTables: true } array => (TomlTable)array[^1],
            TomlTable => throw part.Fail($"`{part.Name}` was completed by its braces on line {entry.Position.Line}; nothing can be added to it"),
            _ => throw part.Fail($"`{part.Name}` is {entry.Value.Kind} (line {entry.Position.Line}) and cannot hold tables"),
        };
    }

    private static TomlTable DefineTable(TomlTable parent, Part part)
    {
        var table = new TomlTable { Position = part.Position };
        if (parent.TryAdd(new TomlEntry(part.Name, part.Position, table))) return table;
        parent.TryGet(part.Name, out var entry);
        if (entry!.Value is TomlTable { Form: TomlTableForm.Implicit } known)
        {
            known.Form = TomlTableForm.Header;
            return known;
        }
        throw part.Fail($"`{part.Name}` is already defined on line {entry.Position.Line}, as {entry.Value.Kind}; a table is defined once");
    }

    private static TomlTable AppendTable(TomlTable parent, Part part)
    {
        var table = new TomlTable { Position = part.Position };
        if (!parent.TryGet(part.Name, out var entry))
            parent.TryAdd(entry = new TomlEntry(part.Name, part.Position, new TomlArray { IsOfTables = true, Position = part.Position }));
        if (entry.Value is not TomlArray { IsOfTables: true } array)
            throw part.Fail($"`{part.Name}` is already defined on line {entry.Position.Line}, as {entry.Value.Kind}; it cannot become an array of tables");
        array.Add(table);
        return table;
    }

    private void ReadKeyValue(TomlTable table, int depth)
    {
        var key = ReadKey(depth);
        _cursor.SkipBlanks();
        if (_cursor.Next != '=') throw _cursor.Fail($"expected `=` after the key `{key[^1].Name}`, found {_cursor.DescribeNext()}");
        _cursor.Skip();
        _cursor.SkipBlanks();
        var value = ReadValue(depth + key.Count);
        foreach (var part in key[..^1]) table = EnterDotted(table, part);
        var last = key[^1];
        if (table.TryAdd(new TomlEntry(last.Name, last.Position, value))) return;
        table.TryGet(last.Name, out var first);
        throw last.Fail($"the key `{last.Name}` is already defined on line {first!.Position.Line}");
    }

    /// <summary>The table that a part of a dotted key leads to: a new one, or one that no header and no braces have defined.</summary>
    private static TomlTable EnterDotted(TomlTable parent, Part part)
    {
        if (!parent.TryGet(part.Name, out var entry))
        {
            var table = new TomlTable { Form = TomlTableForm.Dotted, Position = part.Position };
            parent.TryAdd(new TomlEntry(part.Name, part.Position, table));
            return table;
        }
        if (entry.Value is not TomlTable { Form: TomlTableForm.Implicit or TomlTableForm.Dotted } known)
            throw part.Fail($"`{part.Name}` is already defined on line {entry.Position.Line}, as {entry.Value.Kind}; a dotted key cannot add to it");
        known.Form = TomlTableForm.Dotted;
        return known;
    }

    /// <summary>A part of a key, and its place.</summary>
    private readonly record struct Part(string Name, TomlPosition Position)
    {
        public TomlSyntaxException Fail(string message) => new(Position, message);
    }

    private List<Part> ReadKey(int depth)
    {
        var parts = new List<Part>(1);
        while (true)
        {
            var position = _cursor.Position;
            parts.Add(new Part(ReadKeyPart(), position));
            if (depth + parts.Count > TomlDocument.MaxDepth) throw new TomlSyntaxException(position, TooDeep);
            _cursor.SkipBlanks();
            if (_cursor.Next != '.') return parts;
            _cursor.Skip();
            _cursor.SkipBlanks();
        }
    }

    private string ReadKeyPart()
    {
        if (_cursor.Next is '"' or '\'')
        {
            var quote = _cursor.Next;
            if (_cursor.Peek(1) == quote && _cursor.Peek(2) == quote) throw _cursor.Fail("a key cannot be a multi-line string");
            return quote == '"' ? TomlStrings.ReadBasic(_cursor) : TomlStrings.ReadLiteral(_cursor);
        }
        var start = _cursor.Offset;
        while (IsBare(_cursor.Next)) _cursor.Skip();
        if (_cursor.Offset > start) return text[start.._cursor.Offset];
        throw _cursor.Fail($"expected a key, found {_cursor.DescribeNext()}; a key has A-Z a-z 0-9 _ - or stands in quotes");
    }

    private static bool IsBare(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '-';

    private TomlValue ReadValue(int depth)
    {
        var position = _cursor.Position;
        return _cursor.Next switch
        {
            '"' or '\'' => new TomlString(TomlStrings.Read(_cursor)) { Position = position },
            '[' => ReadArray(depth + 1),
            '{' => ReadInlineTable(depth + 1),
            _ => TomlScalars.Read(_cursor),
        };
    }

    private TomlArray ReadArray(int depth)
    {
        if (depth > TomlDocument.MaxDepth) throw _cursor.Fail(TooDeep);
        var array = new TomlArray { Position = _cursor.Position };
        _cursor.Skip();
        _cursor.OpenLines++;
        _cursor.SkipBlankLines();
        while (_cursor.Next != ']')
        {
            if (_cursor.AtEnd) throw new TomlSyntaxException(array.Position, "the array is never closed; end it with `]`");
            array.Add(ReadValue(depth));
            _cursor.SkipBlankLines();
            if (_cursor.Next == ',') _cursor.Skip();
            else if (_cursor.Next != ']' && !_cursor.AtEnd) throw _cursor.Fail($"expected `,` or `]` after a value of the array, found {_cursor.DescribeNext()}");
            _cursor.SkipBlankLines();
        }
        _cursor.Skip();
        _cursor.OpenLines--;
        return array;
    }

    private TomlTable ReadInlineTable(int depth)
    {
        if (depth > TomlDocument.MaxDepth) throw _cursor.Fail(TooDeep);
        var table = new TomlTable { Form = TomlTableForm.Inline, Position = _cursor.Position };
        _cursor.Skip();
        _cursor.SkipBlanks();
        if (_cursor.Next != '}')
        {
            while (true)
            {
                ForbidLineEnd();
                if (_cursor.Next == '}') throw _cursor.Fail("the last entry of an inline table has no comma after it");
                ReadKeyValue(table, depth);
                _cursor.SkipBlanks();
                if (_cursor.Next == '}') break;
                ForbidLineEnd();
                if (_cursor.Next != ',') throw _cursor.Fail($"expected `,` or `}}` after an entry of the inline table, found {_cursor.DescribeNext()}");
                _cursor.Skip();
                _cursor.SkipBlanks();
            }
        }
        _cursor.Skip();
        return table;
    }

    private void ForbidLineEnd()
    {
        if (_cursor.IsAtLineEnd() || _cursor.AtEnd || _cursor.Next == '#') throw _cursor.Fail("an inline table ends on the line where it begins; write a [table] to span lines");
    }

    private static readonly string TooDeep = $"nested more than {TomlDocument.MaxDepth} levels deep";
}
