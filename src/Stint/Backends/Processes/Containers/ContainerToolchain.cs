using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;
using Stint.Functions;
using Stint.Functions.Builds;
using Stint.Functions.Deployments;

namespace Stint.Backends.Processes.Containers;

/// <summary>The interpreters and package tools of the runtimes' images.</summary>
internal sealed class ContainerToolchain(RuntimeImages images) : IToolchain
{
    /// <inheritdoc/>
    public string Python3 => "python3";

    /// <inheritdoc/>
    public string NodeJs => "node";

    /// <inheritdoc/>
    public string Npm => "npm";

    /// <inheritdoc/>
    public string NoPip => "the base image of python3 has no pip; name one in docker-base that has it, or install it on this host (apt-get install python3-pip) and make the image again: stint image build python3";

    /// <inheritdoc/>
    // What the interpreter loads is built for the libraries beside it, too.
    public async Task<string> VersionAsync(Runtime runtime, CancellationToken cancellationToken)
    {
        try
        {
            return (await images.GetAsync(runtime, cancellationToken).ConfigureAwait(false)).BaseId;
        }
        catch (Exception failure) when (failure is EngineException or IOException)
        {
            throw new DeploymentException(DeploymentFault.HostLacks, failure.Message, failure);
        }
    }
}
