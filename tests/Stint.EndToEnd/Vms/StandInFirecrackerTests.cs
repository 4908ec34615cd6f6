using System.Net.Sockets;
using System.Text;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Vms;

/// <summary>The conversation with Firecracker, held with a stand-in: Firecracker needs KVM. <c>tests/kvm</c> has the same cases for the real one.</summary>
[Trait("Hypervisor", "stand-in")]
public sealed class StandInFirecrackerTests(VmGuests guests) : FirecrackerCases(guests)
{
    internal static string StandIn => Path.Combine(Programs.Repository, "tests", "Stint.EndToEnd", "Vms", "firecracker-stand-in.py");

    /// <inheritdoc/>
    protected override string Program => StandIn;

    /// <inheritdoc/>
    protected override string Kvm => "always";

    /// <summary>Its interpreter takes 208 of them.</summary>
    protected override int Memory => 400;
}

/// <summary>That the stand-in is as strict as it says: a client that is wrong would not pass.</summary>
[Trait("Hypervisor", "stand-in")]
public sealed class StandInTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-standin-").FullName;
    private readonly System.Diagnostics.Process _process;

    public StandInTests()
    {
        _process = System.Diagnostics.Process.Start(Programs.Prepare([StandInFirecrackerTests.StandIn, "--id", "a", "--api-sock", Api], _folder))!;
        _process.StandardInput.Close();
    }

    private string Api => Path.Combine(_folder, "api");

    public Task InitializeAsync() => Retry.UntilAsync("it listens", () =>
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(Api));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    });

    public Task DisposeAsync()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
        return Task.CompletedTask;
    }

    [Theory]
    [InlineData("PUT", "/machine-config", """{"vcpu_count": 1, "mem_size_mib": 128, "memory": 1}""", "unknown field `memory`")]
    [InlineData("PUT", "/machine-config", """{"vcpu_count": "1", "mem_size_mib": 128}""", "invalid value of `vcpu_count`")]
    [InlineData("PUT", "/machine-config", """{"vcpu_count": 1}""", "missing field `mem_size_mib`")]
    [InlineData("PUT", "/drives/a", """{"drive_id": "b", "path_on_host": "/dev/null", "is_root_device": true, "is_read_only": false}""", "does not match the id from the body")]
    [InlineData("PUT", "/drives/a", """{"drive_id": "a", "path_on_host": "/nowhere", "is_root_device": true, "is_read_only": false}""", "Unable to create the block device")]
    [InlineData("PUT", "/network-interfaces/e", """{"iface_id": "e", "host_dev_name": "nosuchtap0000000", "guest_mac": "AA"}""", "invalid value of `guest_mac`")]
    [InlineData("PUT", "/actions", """{"action_type": "InstanceStart"}""", "without kernel configuration")]
    [InlineData("PUT", "/actions", """{"action_type": "SendCtrlAltDel"}""", "before starting the microVM")]
    [InlineData("PATCH", "/vm", """{"state": "Paused"}""", "before starting the microVM")]
    [InlineData("PUT", "/snapshot/create", """{"snapshot_path": "/s", "mem_file_path": "/m"}""", "before starting the microVM")]
    [InlineData("PUT", "/snapshot/load", """{"snapshot_path": "/s", "mem_backend": {"backend_path": "/m"}}""", "invalid value of `mem_backend`")]
    [InlineData("PUT", "/boot-source", "{", "deserializing the json body")]
    [InlineData("PUT", "/boot-source", "", "Empty PUT request")]
    [InlineData("POST", "/boot-source", "{}", "Invalid request method and/or path")]
    public async Task What_Firecracker_refuses_it_refuses(string method, string path, string body, string fault)
    {
        var answer = await AskAsync(method, path, body);
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Contains(fault, answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_snapshot_is_not_loaded_into_what_has_been_configured()
    {
        Assert.StartsWith("HTTP/1.1 204 ", await AskAsync("PUT", "/machine-config", """{"vcpu_count": 1, "mem_size_mib": 128}"""), StringComparison.Ordinal);
        Assert.Contains("not allowed after configuring", await AskAsync("PUT", "/snapshot/load", """{"snapshot_path": "/s", "mem_backend": {"backend_path": "/m", "backend_type": "File"}}"""), StringComparison.Ordinal);
    }

    private async Task<string> AskAsync(string method, string path, string body)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Api));
        await socket.SendAsync(Encoding.UTF8.GetBytes($"{method} {path} HTTP/1.1\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}"));
        using var reader = new StreamReader(new NetworkStream(socket));
        socket.Shutdown(SocketShutdown.Send);
        return await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
    }
}
