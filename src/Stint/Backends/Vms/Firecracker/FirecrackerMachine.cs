using System.Text.Json;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Vms.Disks;
using Stint.Backends.Vms.Snapshots;
using Stint.Functions;
using Stint.Functions.Bundles;

namespace Stint.Backends.Vms.Firecracker;

/// <summary>
/// A virtual machine of Firecracker: configured by a file as UniFaaS does it, or over the API when there will be more to say to it than that: snapshots, or a clean end for a disk that stays.
/// </summary>
/// <param name="program">Firecracker.</param>
/// <param name="plan">The machine.</param>
/// <param name="jail">The jailer that starts it; null = our own sandbox.</param>
/// <param name="time">For waits.</param>
internal sealed class FirecrackerMachine(string program, VmPlan plan, FirecrackerJail? jail, TimeProvider time) : IMachine
{
    /// <summary>The guest's own copy of the image, as UniFaaS names it.</summary>
    public const string DiskName = "rootfs.img";

    /// <summary>The empty second disk.</summary>
    public const string OverlayName = "overlay.img";

    /// <summary>The configuration's name, UniFaaS's.</summary>
    public const string ConfigurationName = "config.json";

    /// <summary>All guests have it: each is alone on its tap.</summary>
    private const string HardwareAddress = "AA:FC:00:00:00:01";

    // A guest that writes its disk back before it restarts.
    private static readonly TimeSpan RestartGrace = TimeSpan.FromSeconds(5);

    private FirecrackerConfiguration? _configuration;
    private FirecrackerClient? _client;
    private bool _runs;

    private Hypervisor.Firecracker Switches => (Hypervisor.Firecracker)plan.Spec.Hypervisor;

    private bool UsesApi => plan.Spec.Snapshot || !Switches.CopyRootfs;

    // Where the hypervisor's own files are: the instance's folder, or the jail's root in it.
    private string Home => jail?.Root ?? plan.Folder;

    private string Socket => Path.Combine(jail is null ? plan.Scratch : Path.Combine(jail.Root, "run"), "api.sock");

    /// <inheritdoc/>
    public IReadOnlyList<string> Command
    {
        get
        {
            IReadOnlyList<string> arguments = UsesApi ? ["--api-sock", Inside(Socket)] : ["--no-api", "--config-file", Inside(Path.Combine(Home, ConfigurationName))];
            return jail is null ? [program, "--id", plan.Id, .. arguments] : jail.Command(arguments);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<SandboxMount> Mounts
    {
        get
        {
            if (plan.Spec.Image is null) return [];
            if (!Switches.CopyRootfs) return [new(Original(), Original(), MountAccess.ReadWrite)];
            // Firecracker opens its disks where the machine of the snapshot had them.
            return plan.Resume is { } snapshot && OwnDisk is { } disk ? [new(disk, Path.Combine(File.ReadAllText(snapshot.Home), Path.GetFileName(disk)), MountAccess.ReadWrite)] : [];
        }
    }

    /// <inheritdoc/>
    public Task<string?> GuestsDoingAsync() => Task.FromResult<string?>(null);

    /// <inheritdoc/>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        await Task.Run(() =>
        {
            jail?.Prepare();
            if (jail is null && UsesApi) VmDisks.MakeFolder(plan.Scratch, plan.User);
            if (plan.Resume is { } snapshot)
            {
                if (OwnDisk is { } disk) VmDisks.Copy(snapshot.Disk, disk, plan.User, cancellationToken);
                return;
            }
            _configuration = new FirecrackerConfiguration
            {
                BootSource = new BootSource(Given(VmFiles.Kernel), plan.CommandLine, plan.Spec.Initrd is null ? null : Given(VmFiles.Initrd)),
                Drives = MakeDrives(cancellationToken),
                Machine = new MachineConfiguration(plan.Spec.Cpus, plan.Spec.MemoryMiB),
                NetworkInterfaces = [new NetworkInterface("eth0", HardwareAddress, plan.Tap)],
            };
            var file = Path.Combine(Home, ConfigurationName);
            File.WriteAllBytes(file, JsonSerializer.SerializeToUtf8Bytes(_configuration, FirecrackerJson.Default.FirecrackerConfiguration));
            CodeTree.SetExecutable(file, false);
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!UsesApi) return;
        _client = new FirecrackerClient(Socket, time);
        await _client.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (plan.Resume is { } snapshot) await _client.LoadAsync(snapshot.State, snapshot.Memory, cancellationToken).ConfigureAwait(false);
        else await ConfigureAsync(_client, _configuration!, cancellationToken).ConfigureAwait(false);
        _runs = true;
    }

    /// <inheritdoc/>
    public async Task SaveAsync(VmSnapshot snapshot, CancellationToken cancellationToken)
    {
        var (state, memory) = (Path.Combine(plan.Scratch, "state"), Path.Combine(plan.Scratch, "memory"));
        await _client!.PauseAsync(cancellationToken).ConfigureAwait(false);
        await _client.SaveAsync(state, memory, cancellationToken).ConfigureAwait(false);
        await Task.Run(() =>
        {
            Take(state, snapshot.State, cancellationToken);
            Take(memory, snapshot.Memory, cancellationToken);
            if (OwnDisk is { } disk) FileClone.Copy(disk, snapshot.Disk, cancellationToken);
            File.WriteAllText(snapshot.Home, plan.Folder);
        }, cancellationToken).ConfigureAwait(false);
        await _client.ResumeAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Moves what the hypervisor has written out of its hands before anything is done with it: there it could put a link in its place.</summary>
    private void Take(string written, string target, CancellationToken cancellationToken)
    {
        var mine = Path.Combine(plan.Folder, Path.GetFileName(written));
        File.Move(written, mine);
        if (!FileStat.TryRead(mine, out var stat) || !stat.IsFile) throw new FirecrackerException($"Firecracker has written no file {written}");
        FileClone.Copy(mine, target, cancellationToken);
        File.Delete(mine);
    }

    private static async Task ConfigureAsync(FirecrackerClient client, FirecrackerConfiguration configuration, CancellationToken cancellationToken)
    {
        await client.PutAsync(configuration.Machine, cancellationToken).ConfigureAwait(false);
        await client.PutAsync(configuration.BootSource, cancellationToken).ConfigureAwait(false);
        foreach (var drive in configuration.Drives) await client.PutAsync(drive, cancellationToken).ConfigureAwait(false);
        foreach (var network in configuration.NetworkInterfaces) await client.PutAsync(network, cancellationToken).ConfigureAwait(false);
        await client.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<TimeSpan> StopAsync(CancellationToken cancellationToken)
    {
        // A disk that goes with the instance needs no clean end.
        if (_client is null || !_runs || Switches.CopyRootfs) return TimeSpan.Zero;
        try
        {
            await _client.SendCtrlAltDelAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // It has gone already, or is beyond listening; its process will tell.
        }
        return RestartGrace;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _client?.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>What the guest writes to, and goes with it.</summary>
    private string? OwnDisk => plan.Spec.Image is null || !Switches.CopyRootfs ? null : Path.Combine(Home, plan.Spec.OverlayMiB > 0 ? OverlayName : DiskName);

    private List<Drive> MakeDrives(CancellationToken cancellationToken)
    {
        var drives = new List<Drive>();
        if (plan.Spec.Image is null) return drives;
        if (plan.Spec.OverlayMiB > 0)
        {
            drives.Add(new Drive("rootfs", Given(VmFiles.Image), true, true));
            var overlay = Path.Combine(Home, OverlayName);
            VmDisks.Empty(overlay, plan.Spec.OverlayMiB, plan.User);
            drives.Add(new Drive("overlay", Inside(overlay), false, false));
        }
        else if (Switches.CopyRootfs)
        {
            var disk = Path.Combine(Home, DiskName);
            VmDisks.Copy(Path.Combine(plan.Bundle, VmFiles.Image), disk, plan.User, cancellationToken);
            drives.Add(new Drive("rootfs", Inside(disk), true, false));
        }
        else
        {
            // Its user is another one each time.
            if (plan.User is not null) VmDisks.ShareWith(Original(), HypervisorLauncher.SharedGroup);
            drives.Add(new Drive("rootfs", Original(), true, false));
        }
        return drives;
    }

    /// <summary>A file of the bundle, as the hypervisor sees it.</summary>
    private string Given(string name) => jail?.Give(Path.Combine(plan.Bundle, name), name) ?? Path.Combine(plan.Bundle, name);

    private string Inside(string path) => jail is null ? path : jail.Inside(path);

    // The bundle has a link to it.
    private string Original() => File.ResolveLinkTarget(Path.Combine(plan.Bundle, VmFiles.Image), returnFinalTarget: true)?.FullName ?? Path.Combine(plan.Bundle, VmFiles.Image);
}
