// Between a daemon's folders and the store, both ways and without loss:
//
//   REGISTRY/MODULE/NAME/… , REGISTRY/NAME/…   ◀─▶  functions: every file, link and folder with its permission bits, and the flat form
//   STATE/secrets/MODULE/NAME                  ◀─▶  secrets, sealed in the store
//   STATE/namespaces/NAME.json                 ◀─▶  modules that somebody made
//   STATE/scripts/NAME.json                    ◀─▶  scheduling scripts
//   STATE/funless/key, subjects.json           ◀─▶  subjects of FunLess's API with the key of their tokens, sealed in the store
//
// First everything is compared and nothing changed; then what is missing is brought over. What differs is left alone and named, unless it is to be replaced. What only the target has stays.
using Stint.Cluster.Store;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Invocations;

namespace Stint.Cluster.Transfers;

/// <summary>Moves what is deployed between folders and a store.</summary>
/// <param name="store">The store, prepared.</param>
/// <param name="folders">The folders.</param>
/// <param name="keyFile">Where the store's key is, or is made; only looked at when there are secrets.</param>
internal sealed class StoreTransfer(ClusterStore store, TransferFolders folders, string keyFile)
{
    /// <summary>From the folders to the store.</summary>
    /// <param name="replace">Whether what differs in the store is replaced.</param>
    /// <param name="by">Who does it, for the versions' history.</param>
    /// <param name="report">Is told of each step.</param>
    /// <param name="cancellationToken">Stops it; what has been brought over stays.</param>
    /// <exception cref="StoreException">The store is away; or something differs, and nothing was changed.</exception>
    public async Task<TransferCount> ImportAsync(bool replace, string by, Action<string> report, CancellationToken cancellationToken)
    {
        var listing = folders.Registry.List();
        if (listing.Unreadable is [var unreadable, ..]) throw new StoreException(StoreFault.Conflict, $"{unreadable} cannot be read; importing what can be would lose it. Run as its owner");
        var stored = (await store.Functions.ChangedSinceAsync(0, cancellationToken).ConfigureAwait(false)).Where(static function => function.Hash is not null).ToDictionary(static function => function.Name);
        var functions = new List<(FunctionName Name, string Folder, Difference Difference)>();
        foreach (var (name, folder) in listing.Functions.OrderBy(static function => function.Value, StringComparer.Ordinal))
        {
            report($"comparing {name}");
            var (hash, _) = await FunctionTable.HashAsync(folder, cancellationToken).ConfigureAwait(false);
            functions.Add((name, folder, Compare(stored.GetValueOrDefault(name)?.Hash, hash)));
        }
        var (key, secrets) = await CompareSecretsAsync(isImport: true, cancellationToken).ConfigureAwait(false);
        var texts = await CompareTextsAsync(isImport: true, key, cancellationToken).ConfigureAwait(false);
        Require(replace, $"the store {store.Address}", functions.Select(static f => ($"function {f.Name}", f.Difference)), secrets.Select(static s => ($"secret {s.Name} of {s.Module}", s.Difference)), texts.Select(static text => (text.Describe(), text.Difference)));

        foreach (var (name, folder, _) in functions.Where(static function => function.Difference != Difference.None))
        {
            report($"importing {name}");
            var hash = await store.Functions.UploadAsync(folder, cancellationToken).ConfigureAwait(false);
            await store.Functions.CommitAsync(name, hash, Path.GetDirectoryName(folder) == folders.Registry.Root, by, cancellationToken).ConfigureAwait(false);
        }
        foreach (var (module, name, value, difference) in secrets)
        {
            if (difference == Difference.New) await store.Secrets.AddAsync(key!, module, name, value, cancellationToken).ConfigureAwait(false);
            if (difference == Difference.Other) await store.Secrets.ReplaceAsync(key!, module, name, value, cancellationToken).ConfigureAwait(false);
        }
        foreach (var text in texts)
            if (text.Difference != Difference.None) await store.Texts.PutAsync(text.Key, text.Kind, text.Name, text.Content, cancellationToken).ConfigureAwait(false);
        return Count(functions.Select(static f => f.Difference), secrets.Select(static s => s.Difference), texts, listing.Problems);
    }

    /// <summary>From the store to the folders. A daemon that runs there takes it up.</summary>
    /// <param name="replace">Whether what differs in the folders is replaced.</param>
    /// <param name="report">Is told of each step.</param>
    /// <param name="cancellationToken">Stops it; what has been brought over stays.</param>
    /// <exception cref="StoreException">The store is away; or something differs, and nothing was changed.</exception>
    public async Task<TransferCount> ExportAsync(bool replace, Action<string> report, CancellationToken cancellationToken)
    {
        var functions = new List<(StoredFunction Function, Difference Difference)>();
        // A nested function's module may have the name of a flat function: then the flat form must give way.
        foreach (var function in (await store.Functions.ChangedSinceAsync(0, cancellationToken).ConfigureAwait(false)).Where(static function => function.Hash is not null).OrderBy(static function => function.IsFlat))
        {
            report($"comparing {function.Name}");
            var present = folders.Registry.Locate(function.Name) is { } folder ? (await FunctionTable.HashAsync(folder, cancellationToken).ConfigureAwait(false)).Hash : null;
            functions.Add((function, Compare(present, function.Hash!)));
        }
        var (key, secrets) = await CompareSecretsAsync(isImport: false, cancellationToken).ConfigureAwait(false);
        var texts = await CompareTextsAsync(isImport: false, key, cancellationToken).ConfigureAwait(false);
        Require(replace, folders.Registry.Root, functions.Select(static f => ($"function {f.Function.Name}", f.Difference)), secrets.Select(static s => ($"secret {s.Name} of {s.Module}", s.Difference)), texts.Select(static text => (text.Describe(), text.Difference)));

        foreach (var (function, _) in functions.Where(static function => function.Difference != Difference.None))
        {
            report($"exporting {function.Name}");
            await PlaceAsync(function, cancellationToken).ConfigureAwait(false);
        }
        foreach (var (module, name, value, difference) in secrets)
        {
            if (difference == Difference.New) folders.Secrets.TryAdd(module, name, value);
            if (difference == Difference.Other) folders.Secrets.TryReplace(module, name, value);
        }
        foreach (var text in texts)
            if (text.Difference != Difference.None) folders.Write(text.Kind, text.Name, text.Content);
        return Count(functions.Select(static f => f.Difference), secrets.Select(static s => s.Difference), texts, []);
    }

    private async Task PlaceAsync(StoredFunction function, CancellationToken cancellationToken)
    {
        var registry = folders.Registry;
        try
        {
            using var swap = new StagedSwap(registry, canExchange: true);
            await store.Functions.DownloadAsync(function.Hash!, swap.New, cancellationToken).ConfigureAwait(false);
            DurableTree.Flush(swap.New);
            var flat = Path.Combine(registry.Root, function.Name.Name);
            if (registry.Locate(function.Name) is { } present) swap.Replace(present, static () => { });
            else swap.Place(function.IsFlat && !Directory.Exists(flat) ? flat : registry.PlaceFor(function.Name));
        }
        catch (DeploymentException e)
        {
            throw new StoreException(StoreFault.Conflict, $"cannot export {function.Name}: {e.Message}", e);
        }
    }

    private async Task<(StoreKey? Key, List<(string Module, string Name, byte[] Value, Difference Difference)> Secrets)> CompareSecretsAsync(bool isImport, CancellationToken cancellationToken)
    {
        var here = folders.Secrets.Modules().SelectMany(module => folders.Secrets.List(module).Select(name => (module, name))).ToDictionary(static place => place, place => folders.Secrets.Read(place.module, place.name)!);
        if ((isImport ? here.Count : await store.Secrets.CountAsync(cancellationToken).ConfigureAwait(false)) == 0) return (null, []);
        var key = await StoreKey.OpenAsync(keyFile, store, cancellationToken).ConfigureAwait(false);
        var there = (await store.Secrets.ChangedSinceAsync(key, 0, cancellationToken).ConfigureAwait(false)).Where(static secret => secret.Value is not null).ToDictionary(static secret => (secret.Module, secret.Name), static secret => secret.Value!);
        var (from, to) = isImport ? (here, there) : (there, here);
        return (key, [.. from.Select(secret => (secret.Key.Item1, secret.Key.Item2, secret.Value,
            !to.TryGetValue(secret.Key, out var present) ? Difference.New : present.AsSpan().SequenceEqual(secret.Value) ? Difference.None : Difference.Other))]);
    }

    private async Task<List<MovedText>> CompareTextsAsync(bool isImport, StoreKey? key, CancellationToken cancellationToken)
    {
        var compared = new List<MovedText>();
        foreach (var kind in TransferFolders.Kinds)
        {
            var here = folders.Texts(kind);
            if (kind == TextTable.Subjects && (here.Count > 0 || await store.Texts.LastChangeAsync(kind, cancellationToken).ConfigureAwait(false) > 0)) key ??= await StoreKey.OpenAsync(keyFile, store, cancellationToken).ConfigureAwait(false);
            var there = await store.Texts.ListAsync(key, kind, cancellationToken).ConfigureAwait(false) ?? new Dictionary<string, byte[]>();
            var (from, to) = isImport ? (here, there) : (there, here);
            compared.AddRange(from.Select(text => new MovedText(kind, text.Key, text.Value, !to.TryGetValue(text.Key, out var present) ? Difference.New : present.AsSpan().SequenceEqual(text.Value) ? Difference.None : Difference.Other, key)));
        }
        return compared;
    }

    private static Difference Compare(string? present, string wanted) => present is null ? Difference.New : present == wanted ? Difference.None : Difference.Other;

    private static void Require(bool replace, string target, params ReadOnlySpan<IEnumerable<(string What, Difference Difference)>> all)
    {
        var others = new List<string>();
        foreach (var some in all) others.AddRange(some.Where(static one => one.Difference == Difference.Other).Select(static one => one.What));
        if (replace || others.Count == 0) return;
        var more = others.Count > 5 ? $" and {others.Count - 5} more" : "";
        throw new StoreException(StoreFault.Conflict, $"{target} has something else under the same name: {string.Join(", ", others.Take(5))}{more}. Nothing was changed; to replace it, add --replace");
    }

    private static TransferCount Count(IEnumerable<Difference> functions, IEnumerable<Difference> secrets, List<MovedText> texts, IReadOnlyList<string> problems)
    {
        var (f, s) = (functions.ToList(), secrets.ToList());
        return new TransferCount(Moved(f), f.Count - Moved(f), Moved(s), Texts(TextTable.Modules), Texts(TextTable.Scripts), Texts(TextTable.Subjects) > 0, problems);

        static int Moved(List<Difference> all) => all.Count(static difference => difference != Difference.None);
        int Texts(string kind) => texts.Count(text => text.Kind == kind && text.Difference != Difference.None);
    }

    private sealed record MovedText(string Kind, string Name, byte[] Content, Difference Difference, StoreKey? Key)
    {
        public string Describe() => Kind switch { TextTable.Modules => $"module {Name}", TextTable.Scripts => $"script {Name}", _ => "subjects of FunLess's API" };
    }

    private enum Difference
    {
        None,
        New,
        Other,
    }
}

/// <summary>What was moved.</summary>
/// <param name="Functions">Functions that were brought over.</param>
/// <param name="Same">Functions that were there already.</param>
/// <param name="Secrets">Secrets that were brought over.</param>
/// <param name="Modules">Modules that were brought over.</param>
/// <param name="Scripts">Scheduling scripts that were brought over.</param>
/// <param name="HasSubjects">Subjects of FunLess's API were brought over.</param>
/// <param name="Problems">Folders of the registry that are no functions, and were left.</param>
internal sealed record TransferCount(int Functions, int Same, int Secrets, int Modules, int Scripts, bool HasSubjects, IReadOnlyList<string> Problems);
