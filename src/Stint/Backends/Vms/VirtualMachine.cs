// One machine from its first file to its last:
//
//   1. whether KVM runs it; a user, a network, a callback that is expected, a folder with a console
//   2. its files and its hypervisor's process, within walls and limits
//   3. what the hypervisor still has to be told, and the guest runs
//   4. ready: its callback has come, or its port accepts
//   5. the first one of a version is written to disk, before it has seen any call; from then on machines of the version resume from that in steps 2 and 3, those too that were asked for meanwhile
//
// It ends when the process ends, when its kernel panics, or when it is disposed of; whichever comes first gives the reason. Releasing goes the other way round, and frees whatever of it there is.
using System.ComponentModel;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Stint.Backends.Callbacks;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Upstream;
using Stint.Backends.Vms.Snapshots;
using Stint.Functions;

namespace Stint.Backends.Vms;

/// <summary>A virtual machine and all that it holds of the host.</summary>
/// <param name="host">What machines share.</param>
/// <param name="version">What it runs.</param>
internal sealed class VirtualMachine(VmHost host, FunctionVersion version) : IAsyncDisposable
{
    // Translated code and its tables, of an interpreted guest.
    private const int InterpreterMiB = 96;

    // Threads of a hypervisor besides one for each processor of the guest.
    private const int HypervisorThreads = 64;

    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(1);

    // Of a machine of many GiB, on a slow disk.
    private static readonly TimeSpan SaveLimit = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly VmSpec _spec = version.Spec.Vm!;
    private IDisposable? _bundle;
    private int? _user;
    private VmNetwork? _network;
    private ExpectedCallback? _callback;
    private string? _folder;
    private VmConsole? _console;
    private IMachine? _machine;
    private SandboxedProcess? _process;
    private HttpReadiness? _readiness;
    private Task? _disposal;
    private string? _key;
    private VmSnapshot? _snapshot;
    private int _limitMiB;
    private bool _usesKvm = true;
    private bool _booted;
    private bool _isFirst;
    private string _stage = "its network was not ready in time";

    /// <summary>Names it.</summary>
    public string Id { get; } = RandomNumberGenerator.GetHexString(RunFolder.NameDigits, lowercase: true);

    /// <summary>Ends, never faulted, with the reason in one line.</summary>
    public Task<string> Ended => _ended.Task;

    /// <summary>Whether it is the continuation of another.</summary>
    public bool Resumes => _snapshot is not null;

    /// <summary>Calls of the guest; from <see cref="BootAsync"/> on.</summary>
    public HttpUpstream? Upstream { get; private set; }

    /// <summary>What it uses now, hypervisor and all.</summary>
    public InstanceUsage ReadUsage() => _process?.ReadUsage() ?? default;

    /// <summary>Steps 1 to 4. Whatever comes of it, dispose of it in the end.</summary>
    /// <param name="mayResume">Whether a snapshot may be used.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InstanceStartException">It did not get ready.</exception>
    public async Task BootAsync(bool mayResume, CancellationToken cancellationToken)
    {
        if (host.Launcher.Refusal is { } refusal) throw new InstanceStartException(refusal) { IsHostsFault = true };
        if (host.Launcher.TapProblem is { } noTaps) throw new InstanceStartException($"a virtual machine has no network here: {noTaps}") { IsHostsFault = true };
        _bundle = host.HoldBundle(version.Folder!);
        _stage = "whether KVM works was not known in time";
        _usesKvm = await host.UsesKvmAsync(_spec.Hypervisor, cancellationToken).ConfigureAwait(false);
        if (host.KeepsSnapshots(_spec) && host.ProgramOf(_spec.Hypervisor) is { } program)
        {
            _key = SnapshotStore.KeyOf(version, program, _usesKvm);
            if (mayResume) await FindSnapshotAsync(_key, cancellationToken).ConfigureAwait(false);
        }
        // One that does not come out of its snapshot leaves time to boot another.
        using var half = new CancellationTokenSource(Resumes ? version.Spec.BootTimeout / 2 : Timeout.InfiniteTimeSpan, host.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, half.Token);
        await RunAsync(either.Token).ConfigureAwait(false);
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        _user = host.Launcher.TakeUser();
        _stage = "its network was not ready in time";
        var plan = await PlanAsync(cancellationToken).ConfigureAwait(false);
        _machine = host.Create(plan);
        _stage = "its disk was not ready in time";
        await _machine.PrepareAsync(cancellationToken).ConfigureAwait(false);
        _process = Process(plan);
        _user = null; // goes back with the process
        await _process.PrepareAsync(cancellationToken).ConfigureAwait(false);
        await _process.StartAsync(cancellationToken).ConfigureAwait(false);
        _ = WatchAsync(); // never faults
        _stage = "the hypervisor did not answer in time";
        await UnlessEndedAsync(_machine.StartAsync, cancellationToken).ConfigureAwait(false);
        await ServesAsync(cancellationToken).ConfigureAwait(false);
        _booted = true;
    }

    /// <summary>Step 5, when it has not been done for this version.</summary>
    /// <exception cref="InstanceStartException">It failed, and left the machine in no state to serve. It is not tried again.</exception>
    public async Task KeepAsync(CancellationToken cancellationToken)
    {
        if (_key is not { } key || Resumes || !(_isFirst || Claims(key))) return;
        using var limit = new CancellationTokenSource(SaveLimit, host.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await host.Snapshots.MakeAsync(version.Name, key, snapshot => UnlessEndedAsync(token => _machine!.SaveAsync(snapshot, token), either.Token)).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or SocketException or UnauthorizedAccessException or InstanceStartException or OperationCanceledException)
        {
            // Given up, not failed: another machine may make it.
            cancellationToken.ThrowIfCancellationRequested();
            host.Snapshots.Drop(version.Name, key, $"it could not be made: {(failure is OperationCanceledException ? $"it took more than {SaveLimit.TotalSeconds:0} s" : failure.Message)}");
            throw new InstanceStartException($"its snapshot could not be made: {failure.Message}", failure);
        }
        finally
        {
            host.Snapshots.Release(key);
            _isFirst = false;
        }
    }

    /// <summary>The snapshot that it resumed from did not do.</summary>
    public void DropSnapshot(string problem) => host.Snapshots.Drop(version.Name, _key!, problem);

    /// <summary>A failure of <see cref="BootAsync"/> in words, and under it what the guest printed last.</summary>
    public string Explain(Exception failure)
    {
        var text = failure is OperationCanceledException
            ? string.Create(CultureInfo.InvariantCulture, $"it was not ready within {version.Spec.BootTimeout.TotalSeconds / (Resumes ? 2 : 1):0.##} s ({(Resumes ? "half the " : "")}boot-timeout): {_readiness?.Problem ?? _stage}")
            : failure.Message;
        if (failure is OperationCanceledException && !_usesKvm) text += ". KVM does not work here, so that QEMU interprets the guest, which is slow: a longer boot-timeout may do";
        return _console?.WithTail(text) ?? text;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (_lock) return new(_disposal ??= ReleaseAsync());
    }

    /// <summary>The version's snapshot; when another machine is about to make it, that is waited for, because booting beside it would only slow both.</summary>
    private async Task FindSnapshotAsync(string key, CancellationToken cancellationToken)
    {
        _snapshot = host.Snapshots.Find(version.Name, key);
        if (_snapshot is not null || (_isFirst = Claims(key))) return;
        _stage = "another instance was booting, of which it was to become a copy";
        await host.Snapshots.MadeAsync(key).WaitAsync(cancellationToken).ConfigureAwait(false);
        _snapshot = host.Snapshots.Find(version.Name, key);
    }

    /// <summary>Whether this machine is to make the snapshot, which is not there.</summary>
    private bool Claims(string key)
    {
        if (!host.Snapshots.Claim(key)) return false;
        // Another may have come to its end just before.
        if (host.Snapshots.Find(version.Name, key) is null) return true;
        host.Snapshots.Release(key);
        return false;
    }

    /// <summary>Step 1.</summary>
    private async Task<VmPlan> PlanAsync(CancellationToken cancellationToken)
    {
        _network = await ConnectAsync(cancellationToken).ConfigureAwait(false);
        if (Ear is not null) _callback = host.Callbacks.Expect(_network.Guest, _network.Namespace is null ? null : _network.Ear);
        _folder = host.Folders.Make(Id);
        _console = new VmConsole(version.Name, Id, Path.Combine(_folder, "log.txt"), host.Logs);
        var callback = _callback is null ? "" : host.Callbacks.UrlOf(_network.Gateway, _callback);
        return new VmPlan
        {
            Id = Id,
            Spec = _spec,
            Bundle = version.Folder!,
            Folder = _folder,
            Tap = _network.Tap,
            CommandLine = KernelCommandLine.Fill(_spec.Cmdline, _network.Guest, _network.Gateway, VmNetwork.Netmask, callback),
            User = _user,
            UsesKvm = _usesKvm,
            Resume = _snapshot,
            IsKept = _key is not null,
        };
    }

    /// <summary>Where its callback is taken; null when there will be none.</summary>
    private CallbackServer? Ear => _spec.CallsBack && !Resumes ? host.Callbacks : null;

    private async Task<VmNetwork> ConnectAsync(CancellationToken cancellationToken)
    {
        if (_key is not null)
        {
            try
            {
                return await VmNetwork.TakeNamespaceAsync(host.Namespaces, Ear, _user, cancellationToken).ConfigureAwait(false);
            }
            catch (InstanceStartException missing)
            {
                host.GiveUpSnapshots(missing.Message);
                if (_isFirst) host.Snapshots.Release(_key);
                (_key, _snapshot, _isFirst) = (null, null, false);
            }
        }
        return await VmNetwork.TakeTapAsync(host.Network, Ear, _user, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Step 2.</summary>
    private SandboxedProcess Process(VmPlan plan)
    {
        var machine = _machine!;
        var program = host.ProgramOf(_spec.Hypervisor)!;
        var mounts = new List<SandboxMount> { new(plan.Folder, plan.Folder, MountAccess.ReadWrite), new(plan.Bundle, plan.Bundle) };
        // One that is not the system's own: a file if it stands alone, as Firecracker does, else its installation.
        if (HostPrograms.InstallationOf(program) is { } installation) mounts.Add(_spec.Hypervisor is Hypervisor.Firecracker ? new(program, program) : new(installation, installation));
        if (_snapshot is { } snapshot) mounts.Add(new(snapshot.Folder, snapshot.Folder));
        mounts.AddRange(machine.Mounts);
        _limitMiB = _spec.MemoryMiB + _spec.OverheadMiB + (_usesKvm ? 0 : InterpreterMiB);
        return host.Launcher.Create(new HypervisorPlan
        {
            Id = Id,
            Command = _ => machine.Command,
            Mounts = mounts,
            UsesTap = true,
            Namespace = _network!.Namespace,
            UsesKvm = _usesKvm,
            IsJailed = _spec.Hypervisor is Hypervisor.Firecracker { Jailer: true },
            User = plan.User,
            Group = _spec.Hypervisor is Hypervisor.Firecracker { CopyRootfs: false } ? HypervisorLauncher.SharedGroup : null,
            Limits = new InstanceLimits(_limitMiB * 1024L * 1024L, HypervisorThreads + _spec.Cpus, _spec.Cpus),
            Output = _console!.Take,
        });
    }

    /// <summary>Step 4.</summary>
    private async Task ServesAsync(CancellationToken cancellationToken)
    {
        Upstream = new HttpUpstream(new IPEndPoint(_network!.Reach, _spec.Port), version.Spec.ConcurrentRequests, Ended, host.Time);
        if (Resumes && _spec.OnResume is { } path)
        {
            _stage = $"the guest did not answer {path} (on-resume)";
            await UnlessEndedAsync(token => ResumeHook.CallAsync(Upstream, path, host.Time, token), cancellationToken).ConfigureAwait(false);
            return;
        }
        if (_callback is { } callback)
        {
            _stage = "the guest did not make its callback, which goes to the URL that stands for %callback in cmdline";
            await UnlessEndedAsync(token => callback.Ready.WaitAsync(token), cancellationToken).ConfigureAwait(false);
            return;
        }
        _readiness = new HttpReadiness(Upstream, null, host.Time);
        await _readiness.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Does something that can be cancelled, but no longer than the machine lives.</summary>
    private async Task UnlessEndedAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var doing = work(giveUp.Token);
        await Task.WhenAny(doing, Ended).ConfigureAwait(false);
        if (!doing.IsCompleted) await giveUp.CancelAsync().ConfigureAwait(false);
        try
        {
            await doing.ConfigureAwait(false);
            return;
        }
        catch (Exception failure) when (failure is IOException or SocketException or InstanceStartException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            // A connection that breaks is mostly a hypervisor that ends, and then that says more.
            await Task.WhenAny(Ended, Task.Delay(StopLimit, host.Time, cancellationToken)).ConfigureAwait(false);
            if (!Ended.IsCompleted) throw;
        }
        throw new InstanceStartException(await Ended.ConfigureAwait(false));
    }

    // Never faults.
    private async Task WatchAsync()
    {
        var exited = _process!.Exited;
        var first = await Task.WhenAny(exited, _console!.Panicked).ConfigureAwait(false);
        var reason = first == exited ? await DescribeExitAsync().ConfigureAwait(false) : $"the guest's kernel panicked: {await _console.Panicked.ConfigureAwait(false)}";
        // What panicked may stand still for ever.
        if (_ended.TrySetResult(reason) && _booted) _ = DisposeAsync().AsTask(); // reports its own failures
    }

    private async Task<string> DescribeExitAsync()
    {
        var status = await _process!.Exited.ConfigureAwait(false);
        if (await _process.RanOutOfMemoryAsync().ConfigureAwait(false)) return $"the hypervisor ran out of memory (limit {_limitMiB} MiB) and was killed";
        if (_console!.Panicked.IsCompletedSuccessfully) return $"the guest's kernel panicked: {await _console.Panicked.ConfigureAwait(false)}";
        if (await _machine!.GuestsDoingAsync().ConfigureAwait(false) is { } doing) return $"the guest {doing}";
        if (status is { BySignal: false, Code: 0 }) return "the guest powered off or restarted";
        // bubblewrap reports a child that a signal killed as 128 + the signal's number, as shells do.
        var text = status is { BySignal: false, Code: > 128 and < 128 + 65 } ? $"was killed by signal {status.Code - 128}" : status.ToString();
        return $"the virtual machine died: its hypervisor {text}";
    }

    private async Task ReleaseAsync()
    {
        await Task.Yield(); // not under the caller's lock
        _ended.TrySetResult("stopped");
        if (_isFirst) host.Snapshots.Release(_key!);
        Upstream?.Dispose();
        _callback?.Dispose();
        try
        {
            await StopAsync().ConfigureAwait(false);
            if (_process is not null && await _process.ReleaseAsync().ConfigureAwait(false) is { } left) VmHost.Leftover(host.Logger, left);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or Win32Exception)
        {
            VmHost.Leftover(host.Logger, $"the virtual machine {Id}: {failure.Message}");
        }
        if (_machine is not null) await _machine.DisposeAsync().ConfigureAwait(false);
        host.Launcher.ReturnUser(_user);
        await FreeFilesAsync().ConfigureAwait(false);
        _bundle?.Dispose();
    }

    private async Task StopAsync()
    {
        if (_process is null || _machine is null || !_booted || _process.Exited.IsCompleted) return;
        using var limit = new CancellationTokenSource(StopLimit, host.Time);
        try
        {
            var grace = await _machine.StopAsync(limit.Token).ConfigureAwait(false);
            if (grace > TimeSpan.Zero) await _process.Exited.WaitAsync(grace, host.Time, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception late) when (late is OperationCanceledException or TimeoutException)
        {
            // It will be killed.
        }
        _process.Kill();
    }

    private async Task FreeFilesAsync()
    {
        _console?.Dispose();
        try
        {
            if (_network is not null) await _network.DisposeAsync().ConfigureAwait(false);
            if (_folder is not null && Directory.Exists(_folder)) Directory.Delete(_folder, recursive: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            VmHost.Leftover(host.Logger, $"the virtual machine {Id}: {failure.Message}");
        }
    }
}
