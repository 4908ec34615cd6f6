using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Vms;

/// <summary>What functions of the type firecracker do, whatever program stands behind that: the stand-in here, the real one in <c>tests/kvm</c>.</summary>
[Collection(VmCollection.Name)]
public abstract class FirecrackerCases(VmGuests guests) : IAsyncLifetime
{
    private StintDaemon _daemon = null!;
    private VmHostNetwork _host = null!;

    /// <summary>Firecracker, or what stands in for it.</summary>
    protected abstract string Program { get; }

    /// <summary>Whether KVM is used: <c>always</c> with a stand-in that needs none.</summary>
    protected abstract string Kvm { get; }

    /// <summary>MiB of a guest.</summary>
    protected abstract int Memory { get; }

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        _host = await VmHostNetwork.MakeAsync();
        _daemon = await StintDaemon.StartAsync(new DaemonSetup { Namespace = _host.Namespace, Flags = ["--kvm", Kvm, "--firecracker", Program, "--network-stock", "1"] });
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        await _daemon.DisposeAsync();
        Assert.Empty(await _host.LinksAsync());
        _host.Dispose();
    }

    [Fact]
    public async Task A_machine_is_configured_over_the_API_written_to_disk_and_resumed()
    {
        guests.Put(_daemon, "api", "max-instances = 1\nsingle-use = true", VmTests.Calls + "hypervisor = { type = \"firecracker\" }", memory: Memory);
        for (var call = 0; call < 2; call++) Assert.Matches("^1 ", await CallAsync("api"));
        Assert.Contains("api has a snapshot", _daemon.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("was dropped", _daemon.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_machine_is_configured_by_a_file_as_UniFaaS_does_it()
    {
        guests.Put(_daemon, "file", "", VmTests.Calls + "snapshot = false\nhypervisor = { type = \"firecracker\" }", memory: Memory);
        Assert.EndsWith(" x", await CallAsync("file"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Machines_share_an_image_as_it_is_or_below_a_disk_of_their_own()
    {
        var own = Path.Combine(_daemon.Root, "shared");
        Directory.CreateDirectory(own);
        foreach (var name in (string[])["vmlinux", "initramfs", "function.ext4"]) File.Copy(Path.Combine(guests.Machine, name), Path.Combine(own, name));
        guests.Put(_daemon, "shared", "", VmTests.Calls + "hypervisor = { type = \"firecracker\", copy-rootfs = false }", own, memory: Memory);
        Assert.EndsWith(" x", await CallAsync("shared"), StringComparison.Ordinal);
        guests.Put(_daemon, "over", "", VmTests.Calls + "overlay = 1\nsnapshot = false\nhypervisor = { type = \"firecracker\" }", memory: Memory);
        Assert.EndsWith(" x", await CallAsync("over"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_Firecracker_refuses_is_the_answer_in_its_words()
    {
        var broken = Path.Combine(_daemon.Root, "broken");
        FunctionFiles.Write(broken, ("vmlinux", "no kernel"), ("initramfs", "nothing"), ("function.ext4", new string('x', 4096)));
        guests.Put(_daemon, "broken", "", VmTests.Calls + "hypervisor = { type = \"firecracker\" }", broken, memory: Memory);
        await _daemon.WaitForLogAsync("broken serves version");
        var (status, body) = await _daemon.CallAsync("broken");
        Assert.Equal(503, status);
        Assert.Contains("Firecracker refused PUT /actions: ", body, StringComparison.Ordinal);
        Assert.Contains("Invalid Elf magic number", body, StringComparison.OrdinalIgnoreCase);
    }

    private async Task<string> CallAsync(string name)
    {
        await _daemon.WaitForLogAsync($"{name} serves version");
        var (status, body) = await _daemon.CallAsync(name, "x");
        Assert.True(status == 200, $"{status}: {body}");
        return body;
    }
}
