namespace Stint.Functions.Toml.Settings;

/// <summary>The keys of one table of a file.</summary>
/// <param name="Title">The table's name; empty for the document itself.</param>
/// <param name="Settings">Its keys, in the order of the reference page.</param>
internal sealed record Section<TOwner>(string Title, IReadOnlyList<Setting<TOwner>> Settings)
{
    /// <summary>Reads all keys of the table and reports those that are unknown (the first <see cref="TomlDocument.MaxProblems"/>) or wrong.</summary>
    /// <param name="table">The table.</param>
    /// <param name="owner">The defaults.</param>
    /// <param name="report">Takes the problems.</param>
    /// <param name="others">Keys of the table that somebody else reads.</param>
    /// <param name="elsewhere">Names the section that an unknown key belongs to, if there is one.</param>
    public TOwner Read(TomlTable table, TOwner owner, Report report, IReadOnlyList<string>? others = null, Func<string, string?>? elsewhere = null)
    {
        var unknown = 0;
        foreach (var entry in table)
        {
            if (others?.Contains(entry.Key) == true) continue;
            if (Settings.FirstOrDefault(s => s.Name == entry.Key) is { } setting) owner = setting.Read(owner, entry.Value, report);
            // Finding what was meant takes time; a file of nothing but unknown keys is some other file.
            else if (unknown++ < TomlDocument.MaxProblems) report(entry.Position, Unknown(entry.Key, others ?? [], elsewhere));
        }
        return owner;
    }

    /// <summary>Reports each required key that is not there.</summary>
    public void Demand(TomlTable table, TomlPosition position, Report report)
    {
        foreach (var setting in Settings)
            if (setting.IsRequired && !table.TryGet(setting.Name, out _)) report(position, $"`{setting.Name}` is missing{In}; it must be {setting.Kind}");
    }

    /// <summary>The values that are not defaults, as a table.</summary>
    public TomlTable Write(TOwner owner)
    {
        var table = new TomlTable();
        foreach (var setting in Settings)
            if (setting.Write(owner) is { } value) table.Add(setting.Name, value);
        return table;
    }

    private string In => Title.Length == 0 ? "" : $" in [{Title}]";

    private string Unknown(string key, IReadOnlyList<string> others, Func<string, string?>? elsewhere)
    {
        if (elsewhere?.Invoke(key) is { } section) return $"unknown key `{key}`{In}; it belongs {section}";
        return Suggestion.For(key, [.. Settings.Select(s => s.Name), .. others]) is { } near
            ? $"unknown key `{key}`{In}; did you mean `{near}`?"
            : $"unknown key `{key}`{In}; remove it (known are {string.Join(", ", Settings.Select(s => s.Name).Concat(others))})";
    }
}
