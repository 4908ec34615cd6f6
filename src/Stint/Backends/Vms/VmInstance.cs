using Stint.Invocations;

namespace Stint.Backends.Vms;

/// <summary>One instance of a function: a virtual machine that serves HTTP.</summary>
internal sealed class VmInstance(VirtualMachine machine) : IInstance
{
    /// <inheritdoc/>
    public string Id => machine.Id;

    /// <inheritdoc/>
    public Task<string> Ended => machine.Ended;

    /// <inheritdoc/>
    public ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken) => machine.Upstream!.InvokeAsync(invocation, cancellationToken);

    /// <inheritdoc/>
    public InstanceUsage ReadUsage() => machine.ReadUsage();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => machine.DisposeAsync();
}
