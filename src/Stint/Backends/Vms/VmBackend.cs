using System.ComponentModel;
using System.Net.Sockets;
using Stint.Functions;

namespace Stint.Backends.Vms;

/// <summary>Runs functions as virtual machines, each with a kernel and a disk of its own (docs/microvms.md).</summary>
/// <param name="host">What they share.</param>
internal sealed class VmBackend(VmHost host) : IBackend
{
    /// <summary>What they share.</summary>
    public VmHost Host => host;

    /// <inheritdoc/>
    public async Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        if (version.Spec.Vm is null) throw new InstanceStartException($"{version.Name} is not a function of virtual machines");
        var machine = new VirtualMachine(host, version);
        using var limit = new CancellationTokenSource(version.Spec.BootTimeout, host.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await machine.BootAsync(either.Token).ConfigureAwait(false);
            return new VmInstance(machine);
        }
        catch (Exception failure) when (failure is InstanceStartException or IOException or SocketException or Win32Exception or UnauthorizedAccessException or OperationCanceledException)
        {
            await machine.DisposeAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            // The console goes on being read until the hypervisor has ended, so its last words are there only now.
            throw new InstanceStartException(machine.Explain(failure), failure) { IsHostsFault = failure is InstanceStartException { IsHostsFault: true } or Win32Exception };
        }
    }
}
