namespace Stint.Functions.Toml;

/// <summary>A place in a TOML text, both counted from 1; the column in UTF-16 units, as editors do.</summary>
internal readonly record struct TomlPosition(int Line, int Column);

/// <summary>A value of a TOML document, with the place where it stands.</summary>
internal abstract class TomlValue
{
    /// <summary>Where the value begins; line 0 when it was not read from a file.</summary>
    public TomlPosition Position { get; init; }

    /// <summary>What kind of value it is, with its article, for error texts.</summary>
    public abstract string Kind { get; }
}

/// <summary>A string of any of the four notations.</summary>
internal sealed class TomlString(string value) : TomlValue
{
    /// <summary>The text, escapes resolved and line ends as <c>\n</c>.</summary>
    public string Value => value;

    /// <inheritdoc/>
    public override string Kind => "a string";
}

/// <summary>An integer: 64 bits, signed.</summary>
internal sealed class TomlInteger(long value) : TomlValue
{
    /// <summary>The number.</summary>
    public long Value => value;

    /// <inheritdoc/>
    public override string Kind => "an integer";
}

/// <summary>A float: IEEE 754 binary64, infinities and NaN included.</summary>
internal sealed class TomlFloat(double value) : TomlValue
{
    /// <summary>The number.</summary>
    public double Value => value;

    /// <inheritdoc/>
    public override string Kind => "a float";
}

/// <summary><c>true</c> or <c>false</c>.</summary>
internal sealed class TomlBoolean(bool value) : TomlValue
{
    /// <summary>The truth value.</summary>
    public bool Value => value;

    /// <inheritdoc/>
    public override string Kind => "a boolean";
}

/// <summary>
/// The four kinds of dates and times: an offset date-time has all three parts, a local date-time no offset, a local date and a local time one part each.
/// A leap second (<c>:60</c>) is read as the last tick before it; fractions are cut after seven digits.
/// </summary>
internal sealed class TomlDateTime(DateOnly? date, TimeOnly? time, TimeSpan? offset) : TomlValue
{
    /// <summary>The day, unless this is a local time.</summary>
    public DateOnly? Date => date;

    /// <summary>The time of day, unless this is a local date.</summary>
    public TimeOnly? Time => time;

    /// <summary>The offset from UTC, when it was given; less than a day.</summary>
    public TimeSpan? Offset => offset;

    /// <inheritdoc/>
    public override string Kind => (date, time, offset) switch
    {
        (_, _, not null) => "an offset date-time",
        (not null, not null, _) => "a local date-time",
        (not null, _, _) => "a local date",
        _ => "a local time",
    };
}
