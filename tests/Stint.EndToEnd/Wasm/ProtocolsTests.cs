using System.Net;
using System.Net.Http.Headers;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Wasm;

/// <summary>A WebAssembly function is called like any other.</summary>
public sealed class ProtocolsTests(WasmDaemon shared) : IClassFixture<WasmDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task Over_CoAP() =>
        Assert.Equal("hello", (await Programs.RunAsync(["coap-client-notls", "-B", "20", "-m", "post", "-e", "hello", $"coap://localhost:{shared.CoapPort}/echo"], Daemon.Root)).Good().TrimEnd('\n'));

    [Fact]
    public async Task Over_gRPC()
    {
        // Data { functionIdentifier = "echo", data = "hi" } and Response { response = "hi" }, each after its flags and length.
        byte[] call = [0, 0, 0, 0, 10, 0x0a, 4, .. "echo"u8, 0x12, 2, .. "hi"u8];
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://localhost:{shared.GrpcPort}/openfogstack.tinyfaas.tinyfaas.TinyFaaS/Request")
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(call) { Headers = { ContentType = MediaTypeHeaderValue.Parse("application/grpc") } },
        };
        using var response = await client.SendAsync(request);
        Assert.Equal([0, 0, 0, 0, 4, 0x0a, 2, .. "hi"u8], await response.Content.ReadAsByteArrayAsync());
        Assert.Equal("0", Assert.Single(response.TrailingHeaders.GetValues("grpc-status")));
    }

    [Fact]
    public async Task Asynchronously()
    {
        await shared.DeployWatAsync("later", $"{WasmDaemon.FunLess} (data (i32.const 0) \"it ran\") (func (export \"__invoke\") (param i32) (result i32) (call $log (i32.const 0) (i32.const 6)) (call $respond (i32.const 0) (i32.const 1)) (i32.const 0))");
        using var request = new HttpRequestMessage(HttpMethod.Post, "later") { Headers = { { "X-tinyFaaS-Async", "1" } } };
        using var accepted = await Daemon.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        await Retry.UntilAsync("it has run", async () => (await Daemon.LogsAsync("later")).Contains("it ran", StringComparison.Ordinal));
    }

    [Fact]
    public async Task With_figures_of_their_own()
    {
        await Daemon.CallAsync("echo", "1");
        var metrics = await Daemon.Management.GetStringAsync("metrics");
        foreach (var family in (string[])["stint_wasm_compile_seconds", "stint_wasm_instantiate_seconds", "stint_wasm_invoke_seconds", "stint_wasm_wait_seconds"])
            Assert.Matches($"(?m)^{family}_count [1-9]", metrics);
        Assert.Matches("(?m)^stint_wasm_runners\\{state=\"idle\"\\} [0-9]", metrics);
    }
}
