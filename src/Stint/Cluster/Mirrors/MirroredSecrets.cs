using Stint.Cluster.Store;
using Stint.Functions.Secrets;

namespace Stint.Cluster.Mirrors;

/// <summary>Applies changes of the store's secrets to this machine's copy, in whatever order they come: a lower number never undoes a higher one.</summary>
internal sealed class MirroredSecrets(SecretStore secrets)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Module, string Name), long> _changes = [];

    /// <summary>The number of the last change of one of these secrets; 0 = none has been seen since the start.</summary>
    public long LastChange(string module, IReadOnlyList<string> names)
    {
        lock (_lock) return names.Max(name => _changes.GetValueOrDefault((module, name)));
    }

    /// <summary>Applies changes.</summary>
    /// <param name="changed">The changes.</param>
    /// <param name="isWhole">They are all there is: what is not among them goes.</param>
    /// <param name="isOther">The store is another one than before: numbers begin anew.</param>
    /// <exception cref="IOException">The disk is full, for instance.</exception>
    public void Apply(IReadOnlyList<StoredSecret> changed, bool isWhole, bool isOther)
    {
        lock (_lock)
        {
            if (isOther) _changes.Clear();
            foreach (var secret in changed)
            {
                var place = (secret.Module, secret.Name);
                if (_changes.TryGetValue(place, out var before) && before > secret.Change) continue;
                _changes[place] = secret.Change;
                if (secret.Value is not { } value) secrets.TryRemove(secret.Module, secret.Name);
                else if (secrets.Read(secret.Module, secret.Name) is not { } present) secrets.TryAdd(secret.Module, secret.Name, value);
                else if (!present.AsSpan().SequenceEqual(value)) secrets.TryReplace(secret.Module, secret.Name, value);
            }
            if (!isWhole) return;
            var stored = changed.Select(static secret => (secret.Module, secret.Name)).ToHashSet();
            foreach (var module in secrets.Modules())
                foreach (var name in secrets.List(module).Where(name => !stored.Contains((module, name)) && !_changes.ContainsKey((module, name)))) secrets.TryRemove(module, name);
        }
    }
}
