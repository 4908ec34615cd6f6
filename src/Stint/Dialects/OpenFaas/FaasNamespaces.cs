using System.Text.Json;
using Stint.Functions.Deployments;
using Stint.Hosting;
using Stint.Invocations;

namespace Stint.Dialects.OpenFaas;

/// <summary>Namespaces are our modules (<see cref="Functions.Modules.ModuleCatalogue"/>).</summary>
internal sealed class FaasNamespaces(Platform platform)
{
    /// <summary>Their names, the default one first.</summary>
    public List<string> List() =>
        [FaasNames.DefaultNamespace, .. platform.Modules.List().Select(FaasNames.Namespace).Where(static space => space != FaasNames.DefaultNamespace)];

    /// <summary>One of them; null when there is none of that name.</summary>
    public FaasNamespace? Find(string name)
    {
        if (!List().Contains(name)) return null;
        var said = platform.Modules.Details(name) is { } details ? JsonSerializer.Deserialize(details, FaasJson.Default.FaasNamespace) : null;
        return new FaasNamespace(name, said?.Annotations ?? [], said?.Labels ?? []);
    }

    /// <summary>Makes one; false when there is one of that name.</summary>
    /// <exception cref="DeploymentException">Its name is none.</exception>
    public async Task<bool> TryAddAsync(FaasNamespace space, CancellationToken cancellationToken) =>
        Checked(space.Name) != FaasNames.DefaultNamespace && await platform.Modules.UpdateAsync(modules => modules.TryMake(space.Name!, Details(space)), cancellationToken).ConfigureAwait(false);

    /// <summary>Changes what is said of one; false when there is none of that name.</summary>
    /// <exception cref="DeploymentException">Its name is none.</exception>
    public Task<bool> TryReplaceAsync(FaasNamespace space, CancellationToken cancellationToken)
    {
        var module = FaasNames.Module(Checked(space.Name));
        return platform.Modules.UpdateAsync(modules => modules.TryDescribe(module, Details(space)), cancellationToken);
    }

    /// <summary>Removes one; false when there is none of that name.</summary>
    /// <exception cref="DeploymentException">It has functions or secrets, or is the default one.</exception>
    public async Task<bool> TryRemoveAsync(string name, CancellationToken cancellationToken)
    {
        if (!List().Contains(name)) return false;
        if (name == FaasNames.DefaultNamespace) throw new DeploymentException(DeploymentFault.Conflict, $"the namespace {name} is always there");
        if (platform.Modules.FunctionsOf(name).Count > 0 || platform.Secrets.List(name).Count > 0)
            throw new DeploymentException(DeploymentFault.Conflict, $"the namespace {name} still has functions or secrets; remove them first");
        await platform.Modules.ForgetAsync(name, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private static string Checked(string? name) => FunctionName.IsValidPart(name) ? name! : throw FaasFunction.Bad($"that is no namespace's name: {FunctionName.Rule}");

    private static byte[] Details(FaasNamespace space) =>
        JsonSerializer.SerializeToUtf8Bytes(space with { Annotations = space.Annotations ?? [], Labels = space.Labels ?? [] }, FaasJson.Default.FaasNamespace);
}
