// A module comes into being with its first function or secret, and goes with the last. One that a client made by itself (FunLess's modules, OpenFaaS's namespaces) stands in a file of its own,
// STATE/namespaces/NAME.json, with what the client said of it: so it is there with nothing in it, too.
using Stint.Files;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Functions.Registry;
using Stint.Functions.Secrets;
using Stint.Invocations;

namespace Stint.Functions.Modules;

/// <summary>The modules of this platform, in whatever way they came into being. Safe for several threads.</summary>
/// <param name="folder">Where those stand that a client made.</param>
/// <param name="registry">Functions' modules.</param>
/// <param name="secrets">Secrets' modules.</param>
/// <param name="deployer">Removes and moves functions.</param>
/// <param name="shared">Changes the secrets of a store that several gateways share; null = there is none.</param>
/// <param name="names">Gives modules of such a store other names.</param>
/// <param name="texts">Keeps what clients made the same at all gateways of it.</param>
internal sealed class ModuleCatalogue(string folder, FunctionRegistry registry, SecretStore secrets, Deployer deployer, ISecretWriter? shared = null, IModuleStore? names = null, ISharedTexts? texts = null) : ISharedPart
{
    /// <summary>The kind of what is shared.</summary>
    public const string Kind = "modules";

    private readonly Lock _lock = new();
    private readonly KeyedGate<string> _moves = new();

    /// <summary>Their names, the default one first, the others in order.</summary>
    public IReadOnlyList<string> List() =>
    [
        FunctionName.DefaultModule,
        .. registry.Snapshot.Functions.Keys.Select(static name => name.Module).Concat(secrets.Modules()).Concat(Made()).Where(static name => name != FunctionName.DefaultModule).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal),
    ];

    /// <summary>Whether there is one of that name.</summary>
    public bool Exists(string name) => List().Contains(name);

    /// <summary>The functions in one, by name.</summary>
    public IReadOnlyList<FunctionName> FunctionsOf(string name) => [.. registry.Snapshot.Functions.Keys.Where(function => function.Module == name).OrderBy(static function => function.Name, StringComparer.Ordinal)];

    /// <summary>Changes something here, at all gateways if there are several.</summary>
    /// <exception cref="DeploymentException">The store that they share is away.</exception>
    public Task<T> UpdateAsync<T>(Func<ModuleCatalogue, T> change, CancellationToken cancellationToken) => texts.UpdateAsync(Kind, () => change(this), cancellationToken);

    /// <summary>As <see cref="Keep"/>, at all gateways; nobody is bothered when it is kept already.</summary>
    /// <exception cref="DeploymentException">The store that they share is away.</exception>
    public Task KeepAsync(string name, CancellationToken cancellationToken) => name == FunctionName.DefaultModule || File.Exists(PathOf(name)) ? Task.CompletedTask : UpdateAsync(modules =>
    {
        modules.Keep(name);
        return true;
    }, cancellationToken);

    /// <summary>Makes one; false when there is one of that name.</summary>
    /// <param name="name">A valid name, see <see cref="FunctionName.IsValidPart"/>.</param>
    /// <param name="details">JSON with what is said of it.</param>
    /// <exception cref="IOException">It cannot be kept.</exception>
    public bool TryMake(string name, ReadOnlySpan<byte> details)
    {
        lock (_lock)
        {
            if (Exists(name)) return false;
            Write_NeedsLock(name, details);
            return true;
        }
    }

    /// <summary>Changes what is said of one; false when there is none of that name.</summary>
    /// <exception cref="IOException">It cannot be kept.</exception>
    public bool TryDescribe(string name, ReadOnlySpan<byte> details)
    {
        lock (_lock)
        {
            if (!Exists(name)) return false;
            Write_NeedsLock(name, details);
            return true;
        }
    }

    /// <summary>What was said of one that a client made; null when nothing was.</summary>
    public byte[]? Details(string name)
    {
        lock (_lock) return FunctionName.IsValidPart(name) && File.Exists(PathOf(name)) ? File.ReadAllBytes(PathOf(name)) : null;
    }

    /// <summary>From now on it is there when the last function has gone, too.</summary>
    /// <exception cref="IOException">It cannot be kept.</exception>
    public void Keep(string name)
    {
        lock (_lock)
            if (name != FunctionName.DefaultModule && !File.Exists(PathOf(name))) Write_NeedsLock(name, "{}"u8);
    }

    /// <summary>Forgets what a client made; functions and secrets keep the module there.</summary>
    /// <exception cref="IOException">It cannot be removed.</exception>
    public void Forget(string name)
    {
        lock (_lock)
            if (FunctionName.IsValidPart(name)) File.Delete(PathOf(name));
    }

    /// <summary>As <see cref="Forget"/>, at all gateways.</summary>
    /// <exception cref="DeploymentException">The store that they share is away.</exception>
    public Task ForgetAsync(string name, CancellationToken cancellationToken) => Details(name) is null ? Task.CompletedTask : UpdateAsync(modules =>
    {
        modules.Forget(name);
        return true;
    }, cancellationToken);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, byte[]> Export()
    {
        lock (_lock) return Made().Where(static name => FunctionName.IsValidPart(name)).ToDictionary(static name => name, name => File.ReadAllBytes(PathOf(name)), StringComparer.Ordinal);
    }

    /// <inheritdoc/>
    public void Adopt(IReadOnlyDictionary<string, byte[]> texts)
    {
        lock (_lock)
        {
            var present = Export();
            foreach (var (name, details) in texts)
                if (FunctionName.IsValidPart(name) && !(present.TryGetValue(name, out var known) && known.AsSpan().SequenceEqual(details))) Write_NeedsLock(name, details);
            foreach (var name in present.Keys.Where(name => !texts.ContainsKey(name))) File.Delete(PathOf(name));
        }
    }

    /// <summary>Removes a module with its functions and secrets.</summary>
    /// <exception cref="DeploymentException">The host does not let us.</exception>
    public async Task RemoveAsync(string name, CancellationToken cancellationToken)
    {
        foreach (var function in registry.Layout.List().Functions.Keys.Where(function => function.Module == name).ToArray()) await deployer.RemoveAsync(function, cancellationToken).ConfigureAwait(false);
        try
        {
            foreach (var secret in secrets.List(name)) await (shared ?? secrets).TryRemoveAsync(name, secret, cancellationToken).ConfigureAwait(false);
            await ForgetAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DeploymentException.FromFileSystem(failure, $"remove the module {name}");
        }
    }

    /// <summary>
    /// Gives a module another name. Its functions change over together, with one rename. What a crash leaves: before that, a new module without functions beside the old one; after it, an old one without
    /// functions beside the new one.
    /// </summary>
    /// <param name="from">A module that exists, not the default one.</param>
    /// <param name="to">A valid name of none.</param>
    /// <param name="cancellationToken">Gives up, until the rename.</param>
    /// <exception cref="DeploymentException">It is gone, there is something of the new name, or the host does not let us.</exception>
    public async Task RenameAsync(string from, string to, CancellationToken cancellationToken)
    {
        if (names is not null)
        {
            if (!await names.RenameAsync(from, to, cancellationToken).ConfigureAwait(false)) throw new DeploymentException(DeploymentFault.NotFound, $"there is no module {from} any more");
            return;
        }
        // Of two who rename the same module the second finds it gone.
        using var turn = await _moves.EnterAsync(from, cancellationToken).ConfigureAwait(false);
        if (!Exists(from)) throw new DeploymentException(DeploymentFault.NotFound, $"there is no module {from} any more");
        try
        {
            if (!TryMake(to, Details(from) ?? "{}"u8.ToArray())) throw new DeploymentException(DeploymentFault.Conflict, $"there is a module {to} already; choose another name");
            try
            {
                foreach (var secret in secrets.List(from))
                    if (secrets.Read(from, secret) is { } value) secrets.TryAdd(to, secret, value);
                await deployer.RenameModuleAsync(from, to, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                foreach (var secret in secrets.List(to)) secrets.TryRemove(to, secret);
                Forget(to);
                throw;
            }
            foreach (var secret in secrets.List(from)) secrets.TryRemove(from, secret);
            Forget(from);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DeploymentException.FromFileSystem(failure, $"rename the module {from}");
        }
    }

    private IEnumerable<string> Made() => Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "*.json").Select(static path => Path.GetFileNameWithoutExtension(path)!) : [];

    private void Write_NeedsLock(string name, ReadOnlySpan<byte> details)
    {
        Directory.CreateDirectory(folder);
        var fresh = PathOf(name) + ".new";
        File.WriteAllBytes(fresh, details);
        File.Move(fresh, PathOf(name), overwrite: true);
    }

    private string PathOf(string name) => FunctionName.IsValidPart(name) ? Path.Combine(folder, name + ".json") : throw new ArgumentException($"{name} was not checked");
}
