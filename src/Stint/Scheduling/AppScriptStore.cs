// STATE/scripts/NAME.json, each {"id":1,"name":"NAME","script":"…"}: written whole beside its place and renamed, so that a crash leaves the old one or the new one. What is in memory is what calls read.
using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Serialization;
using Stint.Files;

namespace Stint.Scheduling;

/// <summary>The APP scripts of this platform. Safe for several threads.</summary>
internal sealed partial class AppScriptStore : ISharedPart
{
    /// <summary>The kind of what is shared.</summary>
    public const string Kind = "scripts";

    /// <summary>Most scripts. Arbitrary: they lie in memory.</summary>
    public const int MaxScripts = 1000;

    private const string Ending = ".json";

    private readonly Lock _lock = new();
    private readonly string _folder;
    private readonly ILogger _logger;
    private readonly ISharedTexts? _shared;
    private volatile FrozenDictionary<string, StoredScript> _scripts;

    /// <summary>Reads what is there. A file that is no script is left alone and said in the log.</summary>
    /// <param name="folder">Where they are kept.</param>
    /// <param name="logger">Log.</param>
    /// <param name="shared">Keeps them the same at all gateways; null = there is one.</param>
    /// <exception cref="IOException">The folder cannot be made or read.</exception>
    public AppScriptStore(string folder, ILogger<AppScriptStore> logger, ISharedTexts? shared = null)
    {
        (_folder, _logger, _shared) = (folder, logger, shared);
        Directory.CreateDirectory(folder);
        _scripts = Directory.EnumerateFiles(folder, "*" + Ending).Select(Load).OfType<StoredScript>().ToFrozenDictionary(static script => script.Name, StringComparer.Ordinal);
    }

    /// <summary>All of them, in the order in which they were made.</summary>
    public IReadOnlyList<StoredScript> List() => [.. _scripts.Values.OrderBy(static script => script.Id)];

    /// <summary>The script of that name; null when there is none.</summary>
    public StoredScript? Find(string name) => _scripts.GetValueOrDefault(name);

    /// <summary>Keeps a new script; null when there is one of that name.</summary>
    /// <param name="name">Its name, which is a file's name too: letters, digits and underscores.</param>
    /// <param name="text">The YAML.</param>
    /// <param name="script">The same, read.</param>
    /// <exception cref="IOException">It cannot be written, or there are too many.</exception>
    public StoredScript? TryAdd(string name, string text, AppScript script)
    {
        lock (_lock)
        {
            if (_scripts.ContainsKey(name)) return null;
            if (_scripts.Count >= MaxScripts) throw new IOException($"there are {MaxScripts:N0} scripts already; delete one first");
            var added = new StoredScript(_scripts.Count == 0 ? 1 : _scripts.Values.Max(static known => known.Id) + 1, name, text) { Parsed = script };
            PrivateFile.Write(PathOf(name), JsonSerializer.SerializeToUtf8Bytes(added, ScriptJson.Default.StoredScript));
            _scripts = _scripts.Append(new(name, added)).ToFrozenDictionary(StringComparer.Ordinal);
            return added;
        }
    }

    /// <summary>Changes something here, at all gateways if there are several.</summary>
    public Task<T> UpdateAsync<T>(Func<AppScriptStore, T> change, CancellationToken cancellationToken) => _shared.UpdateAsync(Kind, () => change(this), cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, byte[]> Export() => _scripts.ToDictionary(static script => script.Key, static script => JsonSerializer.SerializeToUtf8Bytes(script.Value, ScriptJson.Default.StoredScript), StringComparer.Ordinal);

    /// <inheritdoc/>
    public void Adopt(IReadOnlyDictionary<string, byte[]> texts)
    {
        lock (_lock)
        {
            var present = Export();
            foreach (var name in present.Keys.Where(name => !texts.ContainsKey(name))) File.Delete(PathOf(name));
            foreach (var (name, text) in texts)
            {
                // A name is a file's name too: out of the database it is checked again.
                if (name.Length is 0 or > 160 || !name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_')) throw new IOException("the store holds a script whose name is none; whoever changed the tables by hand must remove it");
                if (!present.TryGetValue(name, out var known) || !known.AsSpan().SequenceEqual(text)) PrivateFile.Write(PathOf(name), text);
            }
            _scripts = texts.Keys.Select(PathOf).Select(Load).OfType<StoredScript>().ToFrozenDictionary(static script => script.Name, StringComparer.Ordinal);
        }
    }

    /// <summary>Forgets a script; false when there is none of that name.</summary>
    /// <exception cref="IOException">It cannot be removed.</exception>
    public bool TryRemove(string name)
    {
        lock (_lock)
        {
            if (!_scripts.ContainsKey(name)) return false;
            File.Delete(PathOf(name));
            _scripts = _scripts.Where(known => known.Key != name).ToFrozenDictionary(StringComparer.Ordinal);
            return true;
        }
    }

    private string PathOf(string name) => Path.Combine(_folder, name + Ending);

    private StoredScript? Load(string path)
    {
        try
        {
            var stored = JsonSerializer.Deserialize(File.ReadAllBytes(path), ScriptJson.Default.StoredScript);
            IReadOnlyList<string> problems = ["it is empty"];
            if (stored is { Name: not null, Script: not null } && AppScriptReader.Read(stored.Script, out problems) is { } script && stored.Name + Ending == Path.GetFileName(path)) return stored with { Parsed = script };
            Unusable(_logger, path, problems.Count > 0 ? problems[0] : "its name is not that of the file");
        }
        catch (JsonException broken)
        {
            Unusable(_logger, path, broken.Message);
        }
        return null;
    }

    [LoggerMessage(4000, LogLevel.Warning, "{Path} is no scheduling script: {Problem}; calls that name it are refused")]
    private static partial void Unusable(ILogger logger, string path, string problem);
}

/// <summary>A script that is kept.</summary>
/// <param name="Id">Its number, from 1.</param>
/// <param name="Name">Its name.</param>
/// <param name="Script">The YAML, as it was sent.</param>
internal sealed record StoredScript(int Id, string Name, string Script)
{
    /// <summary>The same, read.</summary>
    [JsonIgnore]
    public AppScript Parsed { get; init; } = null!;
}

/// <summary>JSON of the files.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(StoredScript))]
internal sealed partial class ScriptJson : JsonSerializerContext;
