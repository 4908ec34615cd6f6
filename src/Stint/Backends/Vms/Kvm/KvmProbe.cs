// Does KVM run guests here? That /dev/kvm opens says little: in nested virtualization without hardware support (PVM for instance, Linux 6.x) it opens, machines are made, and each of the guest's instructions is emulated,
// a million times slower than it should be, which looks like a guest that hangs. So a tiny guest is run, which needs milliseconds, and is killed when it does not end:
//
//   QEMU, -M microvm -enable-kvm, as hypervisors will run (user, sandbox, device) ── ends with the guest's code: KVM works
//                                                                               └─ does not, or ends otherwise: it does not, and why
//
// It has 2 s of processor time, not of the clock: a busy host is no reason to do without KVM until the next kernel. The result is kept with what it depends on: kernel, QEMU, the device's mode.
using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Stint.Backends.Processes.Limits;
using Stint.Functions.Bundles;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Vms.Kvm;

/// <summary>Finds out, once, whether KVM runs guests.</summary>
/// <param name="launcher">Runs hypervisors.</param>
/// <param name="qemu">QEMU.</param>
/// <param name="folder">Where guest and result are kept.</param>
/// <param name="time">For limits.</param>
internal sealed class KvmProbe(HypervisorLauncher launcher, string qemu, string folder, TimeProvider time) : IDisposable
{
    private const int MemoryMiB = 16;
    private static readonly TimeSpan WallLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ProcessorLimit = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan LongestWallLimit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private volatile KvmFinding? _finding;

    /// <summary>The finding: this daemon's, or the one that an earlier run has kept for the same kernel and QEMU.</summary>
    public async ValueTask<KvmFinding> FindAsync(CancellationToken cancellationToken)
    {
        if (_finding is { } known) return known;
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return _finding ??= Recall() ?? await ProbeAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Probes again, whatever is known, and keeps the result.</summary>
    public async Task<KvmFinding> ProbeAsync(CancellationToken cancellationToken)
    {
        var finding = await RunAsync(cancellationToken).ConfigureAwait(false) is { } problem ? new KvmFinding(Circumstances(), false, problem) : new KvmFinding(Circumstances(), true, null);
        Directory.CreateDirectory(folder);
        await File.WriteAllBytesAsync(ResultFile, JsonSerializer.SerializeToUtf8Bytes(finding, KvmJson.Default.KvmFinding), cancellationToken).ConfigureAwait(false);
        return finding;
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private string ResultFile => Path.Combine(folder, "kvm.json");

    /// <returns>Null when the guest ran to its end.</returns>
    private async Task<string?> RunAsync(CancellationToken cancellationToken)
    {
        if (launcher.KvmProblem is { } missing) return missing;
        var guest = Path.Combine(folder, "probe.elf");
        Directory.CreateDirectory(folder);
        await File.WriteAllBytesAsync(guest, ProbeGuest.Elf(), cancellationToken).ConfigureAwait(false);
        CodeTree.SetExecutable(guest, false);
        var words = new List<string>();
        var lines = new LineSplitter(words.Add);
        var process = launcher.Create(new HypervisorPlan
        {
            Id = "kvm-probe",
            Command = (_) =>
            [
                qemu, "-M", "microvm", "-enable-kvm", "-cpu", "max", "-m", MemoryMiB.ToString(CultureInfo.InvariantCulture), "-kernel", guest, "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                "-display", "none", "-no-user-config", "-nodefaults", "-no-reboot",
            ],
            Mounts = [new(guest, guest)],
            UsesKvm = true,
            Limits = new InstanceLimits(256L << 20, 64, 1),
            Output = (_, piece) => lines.Take(piece),
        });
        try
        {
            await process.PrepareAsync(cancellationToken).ConfigureAwait(false);
            await process.StartAsync(cancellationToken).ConfigureAwait(false);
            for (var started = time.GetTimestamp(); !process.Exited.IsCompleted;)
            {
                await Task.WhenAny(process.Exited, Task.Delay(Pause, time, cancellationToken)).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                var elapsed = time.GetElapsedTime(started);
                if (process.Exited.IsCompleted || elapsed < WallLimit) continue;
                if (process.ReadUsage().CpuTime >= ProcessorLimit || elapsed >= LongestWallLimit)
                    return $"a guest that needs milliseconds had not ended after {elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s: this kernel's KVM emulates guests instead of running them, as it does within a virtual machine whose host offers no nested virtualization";
            }
            var status = await process.Exited.ConfigureAwait(false);
            return status is { BySignal: false, Code: ProbeGuest.Success } ? null : $"QEMU could not run a guest with it: {(words.Count > 0 ? words[^1] : status.ToString())}";
        }
        catch (Exception failure) when (failure is InstanceStartException or Win32Exception or IOException)
        {
            return $"QEMU could not be started: {failure.Message}";
        }
        finally
        {
            process.Kill();
            await process.ReleaseAsync().ConfigureAwait(false);
        }
    }

    private KvmFinding? Recall()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(ResultFile), KvmJson.Default.KvmFinding) is { } kept && kept.Circumstances == Circumstances() ? kept : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or JsonException)
        {
            return null; // there is none yet, or it is not to be read: find out again
        }
    }

    /// <summary>What the result depends on.</summary>
    private string Circumstances()
    {
        var kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        FileStat.TryRead(HostDevice.Kvm, out var device);
        FileStat.TryRead(File.ResolveLinkTarget(qemu, returnFinalTarget: true)?.FullName ?? qemu, out var program);
        return string.Create(CultureInfo.InvariantCulture, $"linux {kernel}, /dev/kvm {device.Mode:x} {device.User}:{device.Group}, {qemu} {program.Size} {program.Modified}");
    }
}

/// <summary>Whether KVM runs guests.</summary>
/// <param name="Circumstances">What that depends on, as a text to compare.</param>
/// <param name="Works">Whether it does.</param>
/// <param name="Problem">Why not.</param>
internal sealed record KvmFinding(string Circumstances, bool Works, string? Problem);

/// <summary>For the kept result.</summary>
[JsonSerializable(typeof(KvmFinding))]
internal sealed partial class KvmJson : JsonSerializerContext;
