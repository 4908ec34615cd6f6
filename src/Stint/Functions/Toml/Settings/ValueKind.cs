using System.Globalization;

namespace Stint.Functions.Toml.Settings;

/// <summary>What values a setting takes, and how they stand in a file.</summary>
internal abstract class ValueKind<T>
{
    /// <summary>The values in words, with unit and range; completes "must be …".</summary>
    public abstract string Description { get; }

    /// <summary>The value; when it is not acceptable, a report and anything.</summary>
    public abstract T? Read(TomlValue value, Report report);

    /// <summary>The value as it stands in a file.</summary>
    public abstract TomlValue Write(T value);

    /// <summary>What a flag's or an environment variable's text would be in a file.</summary>
    public virtual TomlValue FromText(string text) => new TomlString(text);

    /// <summary>A bound in words: digits are grouped where there are many.</summary>
    protected static string Bound(double value) => value.ToString(value < 100_000 ? "0" : "N0", CultureInfo.InvariantCulture);

    /// <summary>Reports that the value is not of this kind.</summary>
    protected T? Refuse(TomlValue value, Report report)
    {
        var text = TomlWriter.WriteValue(value);
        report(value.Position, $"must be {Description}, not {(text.Length <= 60 ? text : value.Kind)}");
        return default;
    }
}

/// <summary>An integer within bounds, of some unit.</summary>
/// <param name="min">Least value.</param>
/// <param name="max">Greatest value.</param>
/// <param name="unit">Unit in parentheses and what special values mean, for the description.</param>
internal sealed class IntegerKind(int min, int max, string unit = "") : ValueKind<int>
{
    /// <inheritdoc/>
    public override string Description { get; } = string.Create(CultureInfo.InvariantCulture, $"an integer from {min} to {Bound(max)}{unit}");

    /// <inheritdoc/>
    public override int Read(TomlValue value, Report report) => value is TomlInteger integer && integer.Value >= min && integer.Value <= max ? (int)integer.Value : Refuse(value, report);

    /// <inheritdoc/>
    public override TomlValue Write(int value) => new TomlInteger(value);

    /// <inheritdoc/>
    public override TomlValue FromText(string text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? new TomlInteger(value) : base.FromText(text);
}

/// <summary>A number, with or without a fraction, within bounds.</summary>
internal sealed class NumberKind(double min, double max, string unit = "") : ValueKind<double>
{
    /// <inheritdoc/>
    public override string Description { get; } = string.Create(CultureInfo.InvariantCulture, $"a number from {min} to {Bound(max)}{unit}");

    /// <inheritdoc/>
    public override double Read(TomlValue value, Report report)
    {
        var number = value switch { TomlInteger i => i.Value, TomlFloat f => f.Value, _ => double.NaN };
        return number >= min && number <= max ? number : Refuse(value, report);
    }

    /// <inheritdoc/>
    public override TomlValue Write(double value) => value == Math.Floor(value) ? new TomlInteger((long)value) : new TomlFloat(value);
}

/// <summary>A duration in seconds, to the tenth of a microsecond; -1 stands for ever where that is allowed.</summary>
internal sealed class SecondsKind(double min, double max, bool mayBeForEver = false) : ValueKind<TimeSpan>
{
    /// <inheritdoc/>
    public override string Description { get; } = string.Create(CultureInfo.InvariantCulture, $"a number of seconds from {min} to {Bound(max)}{(mayBeForEver ? ", or -1 for ever" : "")}");

    /// <inheritdoc/>
    public override TimeSpan Read(TomlValue value, Report report)
    {
        var seconds = value switch { TomlInteger i => i.Value, TomlFloat f => f.Value, _ => double.NaN };
        if (mayBeForEver && seconds == -1) return Timeout.InfiniteTimeSpan;
        return seconds >= min && seconds <= max ? TimeSpan.FromTicks((long)Math.Round(seconds * TimeSpan.TicksPerSecond)) : Refuse(value, report);
    }

    /// <inheritdoc/>
    public override TomlValue Write(TimeSpan value) => value == Timeout.InfiniteTimeSpan ? new TomlInteger(-1)
        : value.Ticks % TimeSpan.TicksPerSecond == 0 ? new TomlInteger(value.Ticks / TimeSpan.TicksPerSecond)
        : new TomlFloat(value.TotalSeconds);
}

/// <summary>True or false.</summary>
internal sealed class BooleanKind : ValueKind<bool>
{
    /// <inheritdoc/>
    public override string Description => "true or false";

    /// <inheritdoc/>
    public override bool Read(TomlValue value, Report report) => value is TomlBoolean boolean ? boolean.Value : Refuse(value, report);

    /// <inheritdoc/>
    public override TomlValue Write(bool value) => new TomlBoolean(value);

    /// <summary>A flag without a value is true; the words are those that people write into environment variables.</summary>
    public override TomlValue FromText(string text) => text.ToLowerInvariant() switch
    {
        "" or "true" or "1" or "yes" or "on" => new TomlBoolean(true),
        "false" or "0" or "no" or "off" => new TomlBoolean(false),
        _ => base.FromText(text),
    };
}

/// <summary>One of a few words.</summary>
internal sealed class WordKind<T>(params (string Word, T Value)[] words) : ValueKind<T>
{
    /// <inheritdoc/>
    public override string Description { get; } = string.Join(" or ", words.Select(w => $"\"{w.Word}\""));

    /// <inheritdoc/>
    public override T? Read(TomlValue value, Report report)
    {
        if (value is not TomlString text) return Refuse(value, report);
        foreach (var (word, meaning) in words)
            if (word == text.Value) return meaning;
        if (Suggestion.For(text.Value, words.Select(w => w.Word)) is not { } near) return Refuse(value, report);
        report(value.Position, $"must be {Description}, not {TomlWriter.WriteValue(value)}; did you mean \"{near}\"?");
        return default;
    }

    /// <inheritdoc/>
    public override TomlValue Write(T value) => new TomlString(words.First(w => EqualityComparer<T>.Default.Equals(w.Value, value)).Word);
}
