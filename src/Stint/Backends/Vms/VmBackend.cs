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
        using var limit = new CancellationTokenSource(version.Spec.BootTimeout, host.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        // A snapshot that does not do is no reason not to serve: then the machine boots.
        return await TryAsync(version, mayResume: true, either.Token, cancellationToken).ConfigureAwait(false)
            ?? await TryAsync(version, mayResume: false, either.Token, cancellationToken).ConfigureAwait(false)
            ?? throw new InstanceStartException("the virtual machine was written to disk, and could not go on after that");
    }

    /// <returns>Null when it failed for a snapshot's sake, which will not happen a second time.</returns>
    private async Task<IInstance?> TryAsync(FunctionVersion version, bool mayResume, CancellationToken bootLimit, CancellationToken cancellationToken)
    {
        var machine = new VirtualMachine(host, version);
        var isReady = false;
        try
        {
            await machine.BootAsync(mayResume, bootLimit).ConfigureAwait(false);
            isReady = true;
            await machine.KeepAsync(cancellationToken).ConfigureAwait(false);
            return new VmInstance(machine);
        }
        catch (Exception failure) when (failure is InstanceStartException or IOException or SocketException or Win32Exception or UnauthorizedAccessException or OperationCanceledException)
        {
            await machine.DisposeAsync().ConfigureAwait(false);
            if (isReady && !cancellationToken.IsCancellationRequested) return null;
            // The console goes on being read until the hypervisor has ended, so its last words are there only now.
            var problem = machine.Explain(failure);
            if (machine.Resumes && !bootLimit.IsCancellationRequested && failure is not InstanceStartException { IsHostsFault: true })
            {
                machine.DropSnapshot(problem);
                return null;
            }
            throw new InstanceStartException(problem, failure) { IsHostsFault = failure is InstanceStartException { IsHostsFault: true } or Win32Exception };
        }
    }
}
