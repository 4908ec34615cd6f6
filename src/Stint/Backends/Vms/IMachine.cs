using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Vms.Snapshots;

namespace Stint.Backends.Vms;

/// <summary>One virtual machine, as its kind of hypervisor makes it and lets us speak to it. The order is that of the members.</summary>
internal interface IMachine : IAsyncDisposable
{
    /// <summary>Makes the files that the hypervisor needs, and what it connects to.</summary>
    /// <exception cref="InstanceStartException">They cannot be made.</exception>
    /// <exception cref="IOException">The same.</exception>
    Task PrepareAsync(CancellationToken cancellationToken);

    /// <summary>The program and its arguments.</summary>
    IReadOnlyList<string> Command { get; }

    /// <summary>What of the host's files it sees besides the instance's folder.</summary>
    IReadOnlyList<SandboxMount> Mounts { get; }

    /// <summary>Connects with the hypervisor that has been started, tells it what it still has to know, and lets the guest run: from its beginning, or from where the snapshot was made.</summary>
    /// <exception cref="InstanceStartException">It refused; the message has its words.</exception>
    /// <exception cref="IOException">The connection broke; its exit says more.</exception>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Writes the machine, which is ready and idle, to files, and lets it go on.</summary>
    /// <exception cref="IOException">It could not be written. It may have stopped for good.</exception>
    Task SaveAsync(VmSnapshot snapshot, CancellationToken cancellationToken);

    /// <summary>What the guest did to end the machine, to follow "the guest", as far as the hypervisor has said so; null when it has not. For a machine whose process has ended; never faults.</summary>
    Task<string?> GuestsDoingAsync();

    /// <summary>Asks the hypervisor to end. That it does not is no failure: it will be killed.</summary>
    /// <returns>How long it may take over it.</returns>
    Task<TimeSpan> StopAsync(CancellationToken cancellationToken);
}
