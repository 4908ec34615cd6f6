using System.Net.NetworkInformation;
using System.Net.Sockets;
using Stint.Coap.Tests.Support;

namespace Stint.Coap.Tests.Interop;

/// <summary>libcoap's command line client against our server.</summary>
public sealed class LibcoapTests : IAsyncLifetime
{
    private readonly InteropServer _server = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-coap-").FullName;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        await _server.DisposeAsync();
    }

    private static async Task<string> Client(params string[] arguments)
    {
        var (exitCode, output, errors) = await Tools.RunAsync(Tools.CoapClient, arguments);
        Assert.True(exitCode == 0, $"exit code {exitCode}: {errors}");
        return output.TrimEnd('\n') + (errors.Length > 0 ? $" [{errors.Trim()}]" : "");
    }

    [ToolFact(Tools.CoapClient)]
    public async Task GET_and_POST_with_a_body_are_answered()
    {
        Assert.Equal("a=1|b", await Client("-m", "get", _server.Url("/query?a=1&b")));
        Assert.Equal("hello", await Client("-m", "post", "-e", "hello", _server.Url("/echo")));
        Assert.Equal("hello", await Client("-N", "-m", "put", "-e", "hello", _server.Url("/echo")));
        Assert.Equal("hello", await Client("-m", "fetch", "-e", "hello", _server.Url("/echo")));
    }

    [ToolFact(Tools.CoapClient)]
    public async Task An_unknown_resource_is_4_04_with_its_reason() =>
        Assert.Contains("4.04 no such resource", await Client("-m", "get", _server.Url("/nowhere")), StringComparison.Ordinal);

    [ToolFact(Tools.CoapClient)]
    public async Task A_slow_answer_arrives_separately()
    {
        Assert.Equal("slow but sure", await Client("-m", "get", _server.Url("/slow")));
        Assert.Equal(1, _server.Counters[CoapEvent.SeparateResponse]);
    }

    [ToolFact(Tools.CoapClient)]
    public async Task A_64_KiB_file_comes_down_in_every_block_size()
    {
        foreach (var size in new[] { "", "32", "256", "512", "1024" })
        {
            var file = Path.Combine(_folder, "down" + size);
            await Client([.. size.Length > 0 ? ["-b", size] : Array.Empty<string>(), "-m", "get", "-o", file, _server.Url("/large")]);
            var received = await File.ReadAllBytesAsync(file);
            Assert.True(InteropServer.Large.AsSpan().SequenceEqual(received), $"block size {size}: {received.Length} bytes");
        }
    }

    [ToolFact(Tools.CoapClient)]
    public async Task A_64_KiB_file_goes_up_in_every_block_size()
    {
        var file = Path.Combine(_folder, "up");
        await File.WriteAllBytesAsync(file, InteropServer.Large);
        foreach (var size in new[] { "", "32", "256", "512", "1024" })
        {
            await Client([.. size.Length > 0 ? ["-b", size] : Array.Empty<string>(), "-m", "put", "-f", file, _server.Url("/sink")]);
            Assert.True(InteropServer.Large.AsSpan().SequenceEqual(_server.Sunk), $"block size {size}");
        }
    }

    [ToolFact(Tools.CoapClient)]
    public async Task A_64_KiB_body_goes_up_and_comes_back_in_one_request()
    {
        var up = Path.Combine(_folder, "both-up");
        var down = Path.Combine(_folder, "both-down");
        await File.WriteAllBytesAsync(up, InteropServer.Large);
        await Client("-m", "post", "-f", up, "-o", down, _server.Url("/echo"));
        var received = await File.ReadAllBytesAsync(down);
        Assert.True(InteropServer.Large.AsSpan().SequenceEqual(received), $"{received.Length} bytes");
    }

    [ToolFact(Tools.CoapClient)]
    public async Task An_observer_hears_ticks_until_it_leaves()
    {
        var output = await Client("-s", "3", "-w", "-m", "get", _server.Url("/tick"));
        Assert.True(output.Split("tick", StringSplitOptions.RemoveEmptyEntries).Length >= 3, output);
        await Eventually.Holds(() => _server.Counters[CoapEvent.Notification] >= 2);
    }

    [ToolFact(Tools.CoapClient)]
    public async Task Discovery_lists_the_links() =>
        Assert.Equal("</echo>;rt=\"stint.function\",</tick>;obs", await Client("-m", "get", _server.Url("/.well-known/core")));

    [ToolFact(Tools.CoapClient)]
    public async Task A_client_that_could_be_anybody_gets_a_large_answer_in_small_blocks_and_sends_the_Echo_back()
    {
        // To a host's own address that is not the loopback, a client speaks from that address, which proves nothing.
        var address = NetworkInterface.GetAllNetworkInterfaces()
            .Where(network => network is { OperationalStatus: OperationalStatus.Up, NetworkInterfaceType: not NetworkInterfaceType.Loopback })
            .SelectMany(network => network.GetIPProperties().UnicastAddresses)
            .FirstOrDefault(candidate => candidate.Address.AddressFamily == AddressFamily.InterNetwork)?.Address;
        if (address is null) return; // A host with nothing but a loopback has no strangers.

        await using var server = new InteropServer(address);
        var file = Path.Combine(_folder, "stranger");
        await Client("-m", "get", "-o", file, server.Url("/large"));
        var received = await File.ReadAllBytesAsync(file);
        Assert.True(InteropServer.Large.AsSpan().SequenceEqual(received), $"{received.Length} bytes");
        Assert.Equal(1, server.Counters[CoapEvent.AmplificationHeld]);
    }

    [ToolFact(Tools.CoapClient, "dumpcap", "tshark")]
    public async Task Tshark_finds_nothing_malformed_in_what_was_said()
    {
        var file = Path.Combine(_folder, "capture.pcapng");
        using var dumpcap = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("dumpcap", ["-q", "-i", "lo", "-f", $"udp port {_server.Port}", "-w", file]) { RedirectStandardError = true })!;
        try
        {
            await Eventually.Holds(() => File.Exists(file) && new FileInfo(file).Length > 0);
            await Client("-m", "post", "-e", "hello", _server.Url("/echo"));
            await Client("-b", "512", "-m", "get", "-o", Path.Combine(_folder, "x"), _server.Url("/large"));
            var up = Path.Combine(_folder, "up");
            await File.WriteAllBytesAsync(up, InteropServer.Large[..8000]);
            await Client("-m", "put", "-f", up, _server.Url("/sink"));
            await Client("-m", "get", _server.Url("/slow"));
            await Client("-m", "get", _server.Url("/nowhere"));
            await Client("-s", "1", "-m", "get", _server.Url("/tick"));
            await Client("-m", "get", _server.Url("/.well-known/core"));

            // The capture is complete when dumpcap, asked to end, has written its last block.
            using var interrupt = System.Diagnostics.Process.Start("kill", ["-INT", $"{dumpcap.Id}"]);
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30), TimeProvider.System);
            await dumpcap.WaitForExitAsync(limit.Token);
        }
        finally
        {
            if (!dumpcap.HasExited) dumpcap.Kill();
        }

        string[] decode = ["-r", file, "-d", $"udp.port=={_server.Port},coap"];
        var (_, all, errors) = await Tools.RunAsync("tshark", [.. decode, "-Y", "coap"]);
        Assert.True(all.Split('\n').Length > 100, $"too little was captured: {all} {errors}");

        // What the server sent: tshark 4.0 takes Request-Tag (RFC 9175), which libcoap sends, for malformed. 6,291,456 is the severity "warning".
        var remarks = $"udp.srcport == {_server.Port} and (_ws.malformed or _ws.expert.severity >= 6291456)";
        var (_, bad, _) = await Tools.RunAsync("tshark", [.. decode, "-Y", remarks]);
        Assert.Equal("", bad);
        var (_, foreign, _) = await Tools.RunAsync("tshark", [.. decode, "-Y", "udp and not coap"]);
        Assert.Equal("", foreign);
    }
}
