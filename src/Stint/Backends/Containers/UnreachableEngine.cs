using Stint.Functions;

namespace Stint.Backends.Containers;

/// <summary>Stands for the engine when its address is none: every start says so, and other functions are not concerned.</summary>
/// <param name="problem">What is wrong with the address.</param>
internal sealed class UnreachableEngine(string problem) : IBackend
{
    /// <inheritdoc/>
    public Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken) => throw new InstanceStartException(problem) { IsHostsFault = true };
}
