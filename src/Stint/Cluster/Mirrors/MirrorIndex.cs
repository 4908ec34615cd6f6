using System.Collections.Concurrent;
using System.Globalization;
using Stint.Cluster.Store;
using Stint.Invocations;

namespace Stint.Cluster.Mirrors;

/// <summary>
/// What is in the copy: for each function which blob, of which change, and the mark of the folder as it was put there; and up to which change the whole copy is. Small text files, each replaced whole.
/// Nothing depends on their surviving a crash: a mark that does not fit only means that the folder is fetched again.
/// </summary>
internal sealed class MirrorIndex
{
    private readonly string _folder;
    private readonly ConcurrentDictionary<FunctionName, MirroredFunction> _functions = [];
    private readonly ConcurrentDictionary<FunctionName, long> _removed = [];
    private StorePosition? _position;

    /// <summary>Reads the files; what cannot be understood counts as not there.</summary>
    /// <exception cref="IOException">The folder cannot be used.</exception>
    public MirrorIndex(string folder)
    {
        _folder = folder;
        Directory.CreateDirectory(folder);
        if (Words(PositionFile) is [var store, var change] && long.TryParse(change, CultureInfo.InvariantCulture, out var number)) _position = new StorePosition(store, number);
        foreach (var module in Directory.EnumerateDirectories(folder))
        {
            foreach (var file in Directory.EnumerateFiles(module))
            {
                if (FunctionName.TryCreate(Path.GetFileName(module), Path.GetFileName(file), out var name) && Words(file) is [var hash, var at, var mark] && long.TryParse(at, CultureInfo.InvariantCulture, out var changed))
                    _functions[name] = new MirroredFunction(hash, changed, mark);
            }
        }
    }

    /// <summary>Up to where the copy is; null when it was never complete.</summary>
    public StorePosition? Position
    {
        get => _position;
        set
        {
            if (_position == value) return;
            _position = value;
            if (value is { } position) Write(PositionFile, string.Create(CultureInfo.InvariantCulture, $"{position.Store} {position.Change}"));
            else File.Delete(PositionFile);
        }
    }

    /// <summary>The functions in it.</summary>
    public IEnumerable<FunctionName> Names => _functions.Keys;

    /// <summary>What is known of a function; null when it is not in the copy.</summary>
    public MirroredFunction? Find(FunctionName name) => _functions.TryGetValue(name, out var entry) ? entry : null;

    /// <summary>Notes a function.</summary>
    public void Put(FunctionName name, MirroredFunction entry)
    {
        Directory.CreateDirectory(Path.Combine(_folder, name.Module));
        _functions[name] = entry;
        Write(PathOf(name), string.Create(CultureInfo.InvariantCulture, $"{entry.Hash} {entry.Change} {entry.Mark}"));
    }

    /// <summary>The last change of a function that the copy has seen, its removal included; 0 when it has seen none.</summary>
    public long LastChange(FunctionName name) => Math.Max(Find(name)?.Change ?? 0, _removed.GetValueOrDefault(name));

    /// <summary>Forgets all removals: numbers begin anew.</summary>
    public void ForgetRemovals() => _removed.Clear();

    /// <summary>Forgets a function, but not when it was removed: what was read of the store before that must not bring it back.</summary>
    public void Remove(FunctionName name, long change)
    {
        _removed[name] = change;
        if (_functions.TryRemove(name, out _)) File.Delete(PathOf(name));
    }

    private string PositionFile => Path.Combine(_folder, ".position");

    private string PathOf(FunctionName name) => Path.Combine(_folder, name.Module, name.Name);

    private static string[] Words(string path) => File.Exists(path) ? File.ReadAllText(path).Trim().Split(' ') : [];

    private static void Write(string path, string text)
    {
        File.WriteAllText(path + "~", text + "\n");
        File.Move(path + "~", path, overwrite: true);
    }
}

/// <summary>A function in the copy.</summary>
/// <param name="Hash">The blob of its folder.</param>
/// <param name="Change">The number of the change that brought it.</param>
/// <param name="Mark">The folder's mark (<see cref="Functions.Bundles.BundleHash.Mark"/>).</param>
internal sealed record MirroredFunction(string Hash, long Change, string Mark);
