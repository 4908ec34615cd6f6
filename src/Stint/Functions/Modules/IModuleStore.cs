namespace Stint.Functions.Modules;

/// <summary>Where modules are that several gateways share.</summary>
internal interface IModuleStore
{
    /// <summary>Gives a module another name, for all gateways at once; false when there is none. Ends when this one serves it under the new name, or soon will.</summary>
    /// <param name="from">A module, not the default one.</param>
    /// <param name="to">A valid name.</param>
    /// <param name="cancellationToken">Gives up, until it is decided.</param>
    /// <exception cref="Deployments.DeploymentException">There is something of the new name, or the store is away.</exception>
    Task<bool> RenameAsync(string from, string to, CancellationToken cancellationToken);
}
