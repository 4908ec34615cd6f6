using Stint.Functions.Deployments;
using Stint.Functions.Secrets;
using Stint.Invocations;

namespace Stint.Cluster.Workers;

/// <summary>Changes at a worker: there are none. What it has is a copy of what gateways serve.</summary>
internal sealed class GatewaysOnly : IDeploymentStore, ISecretWriter
{
    /// <inheritdoc/>
    public Task<string> UploadAsync(string folder, CancellationToken cancellationToken) => throw Refused();

    /// <inheritdoc/>
    public Task RecordAsync(FunctionName name, string identity, string folder, CancellationToken cancellationToken) => throw Refused();

    /// <inheritdoc/>
    public Task<bool> RemoveAsync(FunctionName name, CancellationToken cancellationToken) => throw Refused();

    /// <inheritdoc/>
    public Task<bool> TryAddAsync(string module, string name, byte[] value, CancellationToken cancellationToken) => throw Refused();

    /// <inheritdoc/>
    public Task<bool> TryReplaceAsync(string module, string name, byte[] value, CancellationToken cancellationToken) => throw Refused();

    /// <inheritdoc/>
    public Task<bool> TryRemoveAsync(string module, string name, CancellationToken cancellationToken) => throw Refused();

    private static DeploymentException Refused() => new(DeploymentFault.Conflict, "this machine is a worker, which only runs what gateways send; deploy and change things at a gateway of its cluster");
}
