using Stint.Invocations;

namespace Stint.Functions.Deployments;

/// <summary>
/// What decides about deployments where several machines share them: the registry's folder is then this machine's copy. Without one, the rename in the folder is what makes a deployment so.
/// Everything throws <see cref="DeploymentException"/> when it cannot be done, and nothing was changed then.
/// </summary>
internal interface IDeploymentStore
{
    /// <summary>Takes over a folder that is ready to be deployed. Nobody sees it by that.</summary>
    /// <param name="folder">The function's folder: <c>function.toml</c> and what belongs to it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Its identity.</returns>
    Task<string> UploadAsync(string folder, CancellationToken cancellationToken);

    /// <summary>Makes it the function's serving version for all machines. From its return on it is deployed; the caller puts the folder in its place next, in the function's turn.</summary>
    /// <param name="name">The function.</param>
    /// <param name="identity">Of <see cref="UploadAsync"/>.</param>
    /// <param name="folder">The same folder.</param>
    /// <param name="cancellationToken">Gives up, until it is decided.</param>
    Task RecordAsync(FunctionName name, string identity, string folder, CancellationToken cancellationToken);

    /// <summary>Removes a function for all machines; false when there is none of that name. The caller removes the folder next, in the function's turn.</summary>
    Task<bool> RemoveAsync(FunctionName name, CancellationToken cancellationToken);
}
