// One machine from its first file to its last:
//
//   1. whether KVM runs it; a user, a network, a callback that is expected, a folder with a console
//   2. its files and its hypervisor's process, within walls and limits
//   3. what the hypervisor still has to be told, and the guest runs
//   4. ready: its callback has come, or its port accepts
//
// It ends when the process ends, when its kernel panics, or when it is disposed of; whichever comes first gives the reason. Releasing goes the other way round, and frees whatever of it there is.
using System.ComponentModel;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Stint.Backends.Callbacks;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Upstream;
using Stint.Backends.Vms.Disks;
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
    private int _limitMiB;
    private bool _usesKvm = true;
    private bool _booted;
    private string _stage = "its network was not ready in time";

    /// <summary>Names it.</summary>
    public string Id { get; } = RandomNumberGenerator.GetHexString(RunFolder.NameDigits, lowercase: true);

    /// <summary>Ends, never faulted, with the reason in one line.</summary>
    public Task<string> Ended => _ended.Task;

    /// <summary>Calls of the guest; from <see cref="BootAsync"/> on.</summary>
    public HttpUpstream? Upstream { get; private set; }

    /// <summary>What it uses now, hypervisor and all.</summary>
    public InstanceUsage ReadUsage() => _process?.ReadUsage() ?? default;

    /// <summary>Steps 1 to 4. Whatever comes of it, dispose of it in the end.</summary>
    /// <exception cref="InstanceStartException">It did not get ready.</exception>
    public async Task BootAsync(CancellationToken cancellationToken)
    {
        if (host.Launcher.Refusal is { } refusal) throw new InstanceStartException(refusal) { IsHostsFault = true };
        if (host.Launcher.TapProblem is { } noTaps) throw new InstanceStartException($"a virtual machine has no network here: {noTaps}") { IsHostsFault = true };
        _bundle = host.HoldBundle(version.Folder!);
        _stage = "whether KVM works was not known in time";
        _usesKvm = await host.UsesKvmAsync(_spec.Hypervisor, cancellationToken).ConfigureAwait(false);
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

    /// <summary>A failure of <see cref="BootAsync"/> in words, and under it what the guest printed last.</summary>
    public string Explain(Exception failure)
    {
        var text = failure is OperationCanceledException
            ? string.Create(CultureInfo.InvariantCulture, $"it was not ready within {version.Spec.BootTimeout.TotalSeconds:0.##} s (boot-timeout): {_readiness?.Problem ?? _stage}")
            : failure.Message;
        if (failure is OperationCanceledException && !_usesKvm) text += ". KVM does not work here, so that QEMU interprets the guest, which is slow: a longer boot-timeout may do";
        return _console?.WithTail(text) ?? text;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (_lock) return new(_disposal ??= ReleaseAsync());
    }

    /// <summary>Step 1.</summary>
    private async Task<VmPlan> PlanAsync(CancellationToken cancellationToken)
    {
        _network = await VmNetwork.TakeAsync(host.Network, _spec.CallsBack ? host.Callbacks : null, _user, cancellationToken).ConfigureAwait(false);
        if (_spec.CallsBack) _callback = host.Callbacks.Expect(_network.Guest);
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
            CommandLine = KernelCommandLine.Fill(_spec.Cmdline, _network.Guest, _network.Gateway, _network.Netmask, callback),
            User = _user,
            UsesKvm = _usesKvm,
        };
    }

    /// <summary>Step 2.</summary>
    private SandboxedProcess Process(VmPlan plan)
    {
        var machine = _machine!;
        var program = host.ProgramOf(_spec.Hypervisor)!;
        var mounts = new List<SandboxMount> { new(plan.Folder, plan.Folder, MountAccess.ReadWrite), new(plan.Bundle, plan.Bundle) };
        // One that is not the system's own: a file if it stands alone, as Firecracker does, else its installation.
        if (HostPrograms.InstallationOf(program) is { } installation) mounts.Add(_spec.Hypervisor is Hypervisor.Firecracker ? new(program, program) : new(installation, installation));
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
            Limits = new InstanceLimits(_limitMiB * 1024L * 1024L, HypervisorThreads + _spec.Cpus, _spec.Cpus),
            Output = _console!.Take,
        });
    }

    /// <summary>Step 4.</summary>
    private async Task ServesAsync(CancellationToken cancellationToken)
    {
        Upstream = new HttpUpstream(new IPEndPoint(_network!.Reach, _spec.Port), version.Spec.ConcurrentRequests, Ended, host.Time);
        if (_callback is { } callback)
        {
            _stage = "the guest did not make its callback, which goes to the URL that stands for %callback in cmdline";
            await UnlessEndedAsync(_ => callback.Ready, cancellationToken).ConfigureAwait(false);
            return;
        }
        _readiness = new HttpReadiness(Upstream, null, host.Time);
        await _readiness.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Waits for something, but no longer than the machine lives.</summary>
    private async Task UnlessEndedAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var doing = work(giveUp.Token);
        var first = await Task.WhenAny(doing, Ended).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (first == doing && doing.IsCompletedSuccessfully) return;
        await giveUp.CancelAsync().ConfigureAwait(false);
        try
        {
            await doing.WaitAsync(StopLimit, host.Time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException or TimeoutException && !cancellationToken.IsCancellationRequested)
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
