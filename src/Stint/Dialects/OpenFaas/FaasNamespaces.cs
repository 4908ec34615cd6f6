using System.Text.Json;
using Stint.Functions.Deployments;
using Stint.Hosting;
using Stint.Invocations;

namespace Stint.Dialects.OpenFaas;

/// <summary>
/// Namespaces are our modules, which come into being with their first function. One that a client made stands in a file of its own, with what the client said of it: <c>STATE/namespaces/NAME.json</c>.
/// </summary>
internal sealed class FaasNamespaces(Platform platform)
{
    private readonly Lock _lock = new();

    private string Folder => Path.Combine(platform.Options.State, "namespaces");

    /// <summary>Their names, the default one first.</summary>
    public List<string> List()
    {
        var modules = platform.Registry.Snapshot.Functions.Keys.Select(static name => name.Module).Concat(platform.Secrets.Modules()).Concat(Made());
        return [FaasNames.DefaultNamespace, .. modules.Select(FaasNames.Namespace).Where(static space => space != FaasNames.DefaultNamespace).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>One of them; null when there is none of that name.</summary>
    public FaasNamespace? Find(string name)
    {
        if (!List().Contains(name)) return null;
        return File.Exists(PathOf(name)) ? JsonSerializer.Deserialize(File.ReadAllBytes(PathOf(name)), FaasJson.Default.FaasNamespace) : new FaasNamespace(name, [], []);
    }

    /// <summary>Makes one; false when there is one of that name.</summary>
    /// <exception cref="DeploymentException">Its name is none.</exception>
    public bool TryAdd(FaasNamespace space)
    {
        lock (_lock)
        {
            if (List().Contains(Checked(space.Name))) return false;
            Write_NeedsLock(space);
            return true;
        }
    }

    /// <summary>Changes what is said of one; false when there is none of that name.</summary>
    public bool TryReplace(FaasNamespace space)
    {
        lock (_lock)
        {
            if (!List().Contains(Checked(space.Name))) return false;
            Write_NeedsLock(space);
            return true;
        }
    }

    /// <summary>Removes one; false when there is none of that name.</summary>
    /// <exception cref="DeploymentException">It has functions or secrets, or is the default one.</exception>
    public bool TryRemove(string name)
    {
        lock (_lock)
        {
            if (!List().Contains(name)) return false;
            if (name == FaasNames.DefaultNamespace) throw new DeploymentException(DeploymentFault.Conflict, $"the namespace {name} is always there");
            if (platform.Registry.Snapshot.Functions.Keys.Any(function => function.Module == name) || platform.Secrets.List(name).Count > 0)
                throw new DeploymentException(DeploymentFault.Conflict, $"the namespace {name} still has functions or secrets; remove them first");
            File.Delete(PathOf(name));
            return true;
        }
    }

    private static string Checked(string? name) => FunctionName.IsValidPart(name) ? name! : throw FaasFunction.Bad($"that is no namespace's name: {FunctionName.Rule}");

    private IEnumerable<string> Made() => Directory.Exists(Folder) ? Directory.EnumerateFiles(Folder, "*.json").Select(static path => Path.GetFileNameWithoutExtension(path)!) : [];

    private void Write_NeedsLock(FaasNamespace space)
    {
        Directory.CreateDirectory(Folder);
        var fresh = PathOf(space.Name!) + ".new";
        File.WriteAllBytes(fresh, JsonSerializer.SerializeToUtf8Bytes(space with { Annotations = space.Annotations ?? [], Labels = space.Labels ?? [] }, FaasJson.Default.FaasNamespace));
        File.Move(fresh, PathOf(space.Name!), overwrite: true);
    }

    private string PathOf(string name) => Path.Combine(Folder, name + ".json");
}
