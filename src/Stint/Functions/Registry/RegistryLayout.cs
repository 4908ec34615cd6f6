using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Invocations;

namespace Stint.Functions.Registry;

/// <summary>What lies where in the registry's folder.</summary>
/// <remarks>
/// <code>
/// REGISTRY/MODULE/NAME/function.toml   the function NAME of MODULE
///                      code/…          its code, for backends that have any
/// REGISTRY/NAME/function.toml          UniFaaS's flat form: the function NAME of module _
///               code/…
/// REGISTRY/.staging/…                  deployments under way; names with a dot at their front are nobody's functions
/// </code>
/// </remarks>
internal sealed class RegistryLayout(string root)
{
    /// <summary>The specification's file name.</summary>
    public const string TomlName = "function.toml";

    /// <summary>The code's folder name.</summary>
    public const string CodeName = "code";

    /// <summary>The registry's absolute path.</summary>
    public string Root { get; } = Path.GetFullPath(root);

    /// <summary>Where deployments are made ready: the same file system, so that a rename is enough.</summary>
    public string Staging => Path.Combine(Root, ".staging");

    /// <summary>Looks at all folders. Never throws for what users put there: what cannot be read or understood becomes a problem.</summary>
    public RegistryListing List()
    {
        var found = new Dictionary<FunctionName, string>();
        var problems = new List<string>();
        var unreadable = new List<string>();
        var folders = Folders(Root, problems, unreadable).ToLookup(IsFunction);
        foreach (var module in folders[false]) AddModule(Path.GetFileName(module), module, found, problems, unreadable);
        foreach (var flat in folders[true]) Add(FunctionName.DefaultModule, Path.GetFileName(flat), flat, found, problems);
        return new RegistryListing(found, problems, unreadable);
    }

    /// <summary>Where the function lies now; null when it does not. Of both forms, the one in the module's folder counts, as in <see cref="List"/>.</summary>
    public string? Locate(FunctionName name)
    {
        var module = Path.Combine(Root, name.Module);
        var nested = Path.Combine(module, name.Name);
        if (!IsFunction(module) && IsFunction(nested)) return nested;
        var flat = Path.Combine(Root, name.Name);
        return name.Module == FunctionName.DefaultModule && IsFunction(flat) ? flat : null;
    }

    /// <summary>Makes sure that changing the function changes what is used.</summary>
    /// <exception cref="DeploymentException">It lies there in both forms.</exception>
    public void RequireUnique(FunctionName name)
    {
        var flat = Path.Combine(Root, name.Name);
        if (name.Module == FunctionName.DefaultModule && Locate(name) is { } used && used != flat && IsFunction(flat))
            throw new DeploymentException(DeploymentFault.Conflict, Clash(used, flat));
    }

    /// <summary>Where a function that does not exist yet belongs.</summary>
    /// <exception cref="DeploymentException">A flat function has the module's name.</exception>
    public string PlaceFor(FunctionName name)
    {
        var module = Path.Combine(Root, name.Module);
        return IsFunction(module)
            ? throw new DeploymentException(DeploymentFault.Conflict, $"there cannot be a module {name.Module}: {module} is a function itself; remove it or choose another module")
            : Path.Combine(module, name.Name);
    }

    /// <summary>Whether the folder has a <c>function.toml</c>, readable or not.</summary>
    public static bool IsFunction(string folder) => FileStat.TryRead(Path.Combine(folder, TomlName), out _);

    private static void AddModule(string module, string folder, Dictionary<FunctionName, string> found, List<string> problems, List<string> unreadable)
    {
        var children = Folders(folder, problems, unreadable);
        if (children.Count == 0 || !children.Any(IsFunction))
        {
            // An empty folder is a module whose functions have gone.
            if (children.Count > 0) problems.Add($"{folder}: neither a function nor a module: there is no {TomlName} in it or in a folder of it");
            return;
        }
        if (!FunctionName.IsValidPart(module))
        {
            problems.Add($"{folder}: \"{module}\" cannot be a module's name: {FunctionName.Rule}; rename the folder");
            return;
        }
        foreach (var child in children)
        {
            if (IsFunction(child)) Add(module, Path.GetFileName(child), child, found, problems);
            else problems.Add($"{child}: not a function: there is no {TomlName} in it");
        }
    }

    private static void Add(string module, string name, string folder, Dictionary<FunctionName, string> found, List<string> problems)
    {
        if (!FunctionName.TryCreate(module, name, out var full)) problems.Add($"{folder}: \"{name}\" cannot be a function's name: {FunctionName.Rule}; rename the folder");
        else if (!found.TryAdd(full, folder)) problems.Add(Clash(found[full], folder));
    }

    private static string Clash(string one, string other) => $"{other}: the same function as {one}, which is used; remove one of them";

    /// <summary>The folders in a folder in ordinal order, without those that begin with a dot.</summary>
    private static List<string> Folders(string folder, List<string> problems, List<string> unreadable)
    {
        try
        {
            return [.. Directory.EnumerateDirectories(folder).Where(path => Path.GetFileName(path)[0] != '.').Order(StringComparer.Ordinal).Where(IsNoLink)];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            unreadable.Add(folder);
            problems.Add($"{folder}: cannot be read: {e.Message}; the daemon's user needs access to it");
            return [];
        }

        // Changes behind a link would go unnoticed: notifications do not follow it.
        bool IsNoLink(string path)
        {
            if (!FileStat.TryRead(path, out var stat) || !stat.IsLink) return true;
            problems.Add($"{path}: a link, which the registry does not follow; copy the folder, or deploy it with: stint deploy");
            return false;
        }
    }
}

/// <summary>The result of looking at the registry's folder.</summary>
/// <param name="Functions">The folder of each function.</param>
/// <param name="Problems">What is no function though it looks as if it should be.</param>
/// <param name="Unreadable">Folders that could not be read: what was known of their functions is no less true.</param>
internal sealed record RegistryListing(IReadOnlyDictionary<FunctionName, string> Functions, IReadOnlyList<string> Problems, IReadOnlyList<string> Unreadable);
