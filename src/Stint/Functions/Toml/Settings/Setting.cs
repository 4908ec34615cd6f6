namespace Stint.Functions.Toml.Settings;

/// <summary>Takes a problem: its place in the file and a message that begins with what is wrong.</summary>
internal delegate void Report(TomlPosition position, string message);

/// <summary>
/// A key of a configuration file, declared once. Reading, writing, "did you mean", the reference page and (for the daemon) flags and environment all come from this.
/// </summary>
/// <typeparam name="TOwner">The record that the key is a member of.</typeparam>
internal abstract class Setting<TOwner>(string name, string help)
{
    /// <summary>The key, in kebab-case.</summary>
    public string Name => name;

    /// <summary>One line for the reference page and <c>--help</c>.</summary>
    public string Help => help;

    /// <summary>Whether the file must have it.</summary>
    public bool IsRequired { get; init; }

    /// <summary>What values it takes, with unit and range.</summary>
    public abstract string Kind { get; }

    /// <summary>The default in TOML's notation, or in words when it depends on the host.</summary>
    public abstract string Default { get; }

    /// <summary>Whether it is true or false, so that a flag needs no value.</summary>
    public abstract bool IsSwitch { get; }

    /// <summary>The owner with this value in it; the same owner and a report when the value is not acceptable.</summary>
    public abstract TOwner Read(TOwner owner, TomlValue value, Report report);

    /// <summary>The value to write, null when it is the default.</summary>
    public abstract TomlValue? Write(TOwner owner);

    /// <summary>What the text of a flag or an environment variable would be in the file.</summary>
    public abstract TomlValue FromText(string text);
}

/// <inheritdoc/>
internal sealed class Setting<TOwner, T>(
    string name, ValueKind<T> kind, Func<TOwner, T?> get, Func<TOwner, T, TOwner> set, TOwner defaults, string help, string? defaultText = null)
    : Setting<TOwner>(name, help)
{
    /// <inheritdoc/>
    public override string Kind => kind.Description;

    /// <inheritdoc/>
    public override string Default => IsRequired ? "required" : defaultText ?? (get(defaults) is { } value ? TomlWriter.WriteValue(kind.Write(value)) : "none");

    /// <inheritdoc/>
    public override bool IsSwitch => typeof(T) == typeof(bool);

    /// <inheritdoc/>
    public override TOwner Read(TOwner owner, TomlValue value, Report report)
    {
        var isGood = true;
        var result = kind.Read(value, (position, message) =>
        {
            isGood = false;
            report(position, $"`{Name}` {message}");
        });
        return isGood ? set(owner, result!) : owner;
    }

    /// <inheritdoc/>
    public override TomlValue? Write(TOwner owner)
    {
        if (get(owner) is not { } value) return null;
        var written = kind.Write(value);
        return !IsRequired && get(defaults) is { } usual && TomlWriter.WriteValue(written) == TomlWriter.WriteValue(kind.Write(usual)) ? null : written;
    }

    /// <inheritdoc/>
    public override TomlValue FromText(string text) => kind.FromText(text);
}
