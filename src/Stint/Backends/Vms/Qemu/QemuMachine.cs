using System.Net.Sockets;
using System.Text.Json;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Vms.Disks;
using Stint.Backends.Vms.Snapshots;
using Stint.Functions;
using Stint.Functions.Bundles;

namespace Stint.Backends.Vms.Qemu;

/// <summary>A virtual machine of QEMU: a PC, or a microvm.</summary>
/// <param name="program">QEMU.</param>
/// <param name="plan">The machine.</param>
internal sealed class QemuMachine(string program, VmPlan plan) : IMachine
{
    // Its own clean end: flushing and closing disks that nobody will look at again.
    private static readonly TimeSpan QuitGrace = TimeSpan.FromMilliseconds(200);

    private Socket? _listener;
    private QmpClient? _monitor;
    private volatile string? _guestsDoing;

    /// <inheritdoc/>
    public IReadOnlyList<string> Command => QemuCommand.For(program, plan);

    /// <inheritdoc/>
    public IReadOnlyList<SandboxMount> Mounts => [];

    /// <inheritdoc/>
    public async Task<string?> GuestsDoingAsync()
    {
        if (_monitor is { } monitor) await monitor.Ended.ConfigureAwait(false);
        return _guestsDoing;
    }

    /// <inheritdoc/>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        if (plan.Spec.Image is not null) await Task.Run(() => MakeDisks(cancellationToken), cancellationToken).ConfigureAwait(false);
        if (plan.Resume is not null) VmDisks.MakeFolder(plan.Scratch, plan.User);
        // QEMU connects to us, so that there is nothing to wait for in its folder and no path that it could have exchanged.
        var path = Path.Combine(plan.Folder, QemuCommand.MonitorName);
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        VmDisks.GiveTo(path, plan.User);
        _listener.Listen(1);
    }

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var socket = await _listener!.AcceptAsync(cancellationToken).ConfigureAwait(false);
        _listener.Dispose();
        // From now on the guest runs; that is QEMU's way unless it is told otherwise.
        _monitor = await QmpClient.OpenAsync(new NetworkStream(socket, ownsSocket: true), Note, cancellationToken).ConfigureAwait(false);
        if (plan.Resume is { } snapshot) await new QemuState(_monitor, plan).LoadAsync(snapshot.State, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task SaveAsync(VmSnapshot snapshot, CancellationToken cancellationToken)
    {
        await _monitor!.ExecuteAsync("stop", cancellationToken).ConfigureAwait(false);
        await new QemuState(_monitor, plan).SaveAsync(snapshot.State, cancellationToken).ConfigureAwait(false);
        // With the state written, QEMU has written its disks as well, and lets go of them until it goes on.
        if (OwnDisk is { } disk) await Task.Run(() => FileClone.Copy(disk, snapshot.Disk, cancellationToken), cancellationToken).ConfigureAwait(false);
        await _monitor.ExecuteAsync("cont", cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<TimeSpan> StopAsync(CancellationToken cancellationToken)
    {
        if (_monitor is null) return TimeSpan.Zero;
        try
        {
            await _monitor.ExecuteAsync("quit", cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // It has gone already, or is beyond listening; its process will tell.
        }
        return QuitGrace;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _listener?.Dispose();
        if (_monitor is not null) await _monitor.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>What the guest writes to.</summary>
    private string? OwnDisk =>
        plan.Spec.Image is null || plan.Spec.Hypervisor.Disk == DiskType.NineP ? null : Path.Combine(plan.Folder, plan.Spec.OverlayMiB > 0 ? QemuCommand.OverlayName : QemuCommand.DiskName);

    private void MakeDisks(CancellationToken cancellationToken)
    {
        var image = Path.Combine(plan.Bundle, VmFiles.Image);
        if (plan.Resume is { } snapshot && OwnDisk is { } disk) VmDisks.Copy(snapshot.Disk, disk, plan.User, cancellationToken);
        else if (plan.Spec.Hypervisor.Disk == DiskType.NineP) VmDisks.CopyFolder(image, Path.Combine(plan.Folder, QemuCommand.FolderName), plan.User, cancellationToken);
        else if (plan.Spec.OverlayMiB > 0) VmDisks.Empty(Path.Combine(plan.Folder, QemuCommand.OverlayName), plan.Spec.OverlayMiB, plan.User);
        else VmDisks.Overlay(image, Path.Combine(plan.Folder, QemuCommand.DiskName), plan.User);
    }

    private void Note(string name, JsonElement? data)
    {
        if (name != "SHUTDOWN") return;
        string? reason = null;
        try
        {
            reason = data?.Deserialize(QmpJson.Default.ShutdownData)?.Reason;
        }
        catch (JsonException)
        {
            // The process' end will have to do.
        }
        _guestsDoing ??= reason switch
        {
            "guest-shutdown" => "powered off",
            "guest-reset" => "restarted, as a kernel does that panics",
            "guest-panic" => "panicked",
            "host-signal" => "was ended by a signal to its hypervisor",
            _ => null,
        };
    }
}
