using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Vms;

/// <summary>
/// A folder of <c>stint vm image build</c>, booted by hand: QEMU without KVM, the network of an ordinary user (10.0.2.0/24, no taps), a callback that is listened for here. So images are tested without the daemon's
/// backend, and on any machine.
/// </summary>
internal sealed class GuestMachine : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _console = new();
    private readonly TcpListener _callback = new(IPAddress.Loopback, 0);
    private readonly Process _process;
    private readonly Task _pumps;

    /// <summary>Starts it.</summary>
    /// <param name="folder">With vmlinux, initramfs, function.ext4.</param>
    /// <param name="machine">microvm or pc.</param>
    public GuestMachine(string folder, string machine)
    {
        _callback.Start();
        Http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{Port}/"), Timeout = TimeSpan.FromSeconds(60) };
        var bus = machine == "microvm" ? "device" : "pci";
        var url = $"http://10.0.2.2:{((IPEndPoint)_callback.LocalEndpoint).Port}/ready/abc";
        string[] arguments =
        [
            "-accel", "tcg", "-cpu", "max", "-M", machine == "microvm" ? "microvm,acpi=on,rtc=on" : machine, "-m", "256", "-smp", "1",
            "-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-serial", "stdio",
            "-kernel", Path.Combine(folder, "vmlinux"), "-initrd", Path.Combine(folder, "initramfs"),
            // What UniFaaS would fill in. A microvm without KVM has no clock that a kernel could measure its processor by.
            "-append", $"console=ttyS0 quiet panic=-1 reboot=t tsc_early_khz={ProcessorKHz()} ip=10.0.2.15::10.0.2.2:255.255.255.0:vm:eth0:off callback={url}",
            "-drive", $"if=none,id=disk,format=raw,readonly=on,file={Path.Combine(folder, "function.ext4")}", "-device", $"virtio-blk-{bus},drive=disk",
            "-netdev", $"user,id=net,restrict=off,hostfwd=tcp:127.0.0.1:{Port}-:8080", "-device", $"virtio-net-{bus},netdev=net",
        ];
        _process = Process.Start(Programs.Prepare(["qemu-system-x86_64", .. arguments], "/"))!;
        _process.StandardInput.Close();
        _pumps = Task.WhenAll(PumpAsync(_process.StandardOutput), PumpAsync(_process.StandardError));
    }

    /// <summary>The port of this host behind which the guest's 8080 is.</summary>
    public int Port { get; } = FreePorts.Take();

    /// <summary>Speaks to the function.</summary>
    public HttpClient Http { get; }

    /// <summary>What the guest printed.</summary>
    public string Console => string.Join('\n', _console);

    /// <summary>Waits until it has called back.</summary>
    public async Task ReadyAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        var called = _callback.AcceptTcpClientAsync(limit.Token).AsTask();
        if (await Task.WhenAny(called, _pumps) != called) throw new InvalidOperationException($"the guest ended before it was ready:\n{Console}");
        using var call = await called;
        using var reader = new StreamReader(call.GetStream());
        Assert.Equal("GET /ready/abc HTTP/1.1", await reader.ReadLineAsync(limit.Token));
        await call.GetStream().WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"u8.ToArray(), limit.Token);
    }

    /// <summary>Waits until the guest has ended the hypervisor by itself.</summary>
    public async Task EndedAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        await _process.WaitForExitAsync(limit.Token);
        await _pumps;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        _callback.Dispose();
        if (!_process.HasExited) _process.Kill();
        await _pumps;
        _process.Dispose();
    }

    private static string ProcessorKHz()
    {
        var line = File.ReadLines("/proc/cpuinfo").First(static line => line.StartsWith("cpu MHz", StringComparison.Ordinal));
        return ((long)(double.Parse(line.Split(':')[1], CultureInfo.InvariantCulture) * 1000)).ToString(CultureInfo.InvariantCulture);
    }

    private async Task PumpAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line) _console.Enqueue(line);
    }
}
