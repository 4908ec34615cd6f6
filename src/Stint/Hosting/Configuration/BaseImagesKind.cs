using Stint.Functions;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>An image for each of some runtimes: a table of texts under the runtimes' names; in a flag or a variable <c>python3=IMAGE,nodejs=IMAGE</c>.</summary>
internal sealed class BaseImagesKind : ValueKind<IReadOnlyDictionary<Runtime, string>>
{
    private static readonly (string Word, Runtime Runtime)[] Words = [("python3", Runtime.Python3), ("nodejs", Runtime.NodeJs), ("binary", Runtime.Binary)];

    /// <inheritdoc/>
    public override string Description => "a table of images under the names python3, nodejs, binary";

    /// <inheritdoc/>
    public override IReadOnlyDictionary<Runtime, string>? Read(TomlValue value, Report report)
    {
        if (value is not TomlTable table) return Refuse(value, report);
        var images = new Dictionary<Runtime, string>();
        foreach (var entry in table)
        {
            if (!Words.Any(word => word.Word == entry.Key)) report(entry.Position, $"has no runtime `{entry.Key}`; there are {string.Join(", ", Words.Select(word => word.Word))}");
            else if (entry.Value is not TomlString { Value: { Length: > 0 } image } || image.Any(static letter => letter <= ' ' || letter == '\x7f'))
                report(entry.Value.Position, $"names no image for {entry.Key}; an image is named as in `docker pull`: python:3.12-slim");
            else images.Add(Words.First(word => word.Word == entry.Key).Runtime, image);
        }
        return images;
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyDictionary<Runtime, string> value)
    {
        var table = new TomlTable { Form = TomlTableForm.Inline };
        foreach (var (word, runtime) in Words)
            if (value.TryGetValue(runtime, out var image)) table.Add(word, new TomlString(image));
        return table;
    }

    /// <inheritdoc/>
    public override TomlValue FromText(string text)
    {
        var table = new TomlTable { Form = TomlTableForm.Inline };
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (part.Split('=', 2, StringSplitOptions.TrimEntries) is not [var runtime, var image] || !table.TryAdd(new TomlEntry(runtime, default, new TomlString(image)))) return base.FromText(text);
        }
        return table;
    }
}
