namespace Stint.EndToEnd.Grpc;

/// <summary>Clients that are not ours against the real program. What a scenario demands is written where it runs: python/scenarios.py, node/scenarios.js.</summary>
public sealed class GrpcClientTests(GrpcDaemon daemon) : IClassFixture<GrpcDaemon>
{
    [Theory]
    [InlineData("call")]
    [InlineData("own_service")]
    [InlineData("metadata")]
    [InlineData("deadline")]
    [InlineData("cancellation")]
    [InlineData("disconnect")]
    [InlineData("unknown")]
    [InlineData("function_error")]
    [InlineData("bad_request")]
    [InlineData("busy")]
    [InlineData("thousand")]
    [InlineData("too_large")]
    [InlineData("gzip")]
    [InlineData("asynchronous")]
    [InlineData("streaming")]
    [InlineData("health")]
    [InlineData("reflection")]
    public Task Python_grpcio_is_happy_with(string scenario) => daemon.PythonAsync(scenario);

    [Theory]
    [InlineData("call")]
    [InlineData("metadata")]
    [InlineData("deadline")]
    [InlineData("cancellation")]
    [InlineData("errors")]
    [InlineData("thousand")]
    [InlineData("too_large")]
    [InlineData("gzip")]
    [InlineData("streaming")]
    [InlineData("health")]
    public Task Node_grpc_js_is_happy_with(string scenario) => daemon.NodeAsync(scenario);

    [Fact]
    public async Task The_python_example_runs()
    {
        if (!daemon.HasTools) return;
        Assert.Equal("200 hello", await GrpcDaemon.ExampleAsync("/usr/bin/python3", "-B", Path.Combine(GrpcDaemon.Root, "examples/clients/grpc-python/client.py"), daemon.Address, "echo", "hello"));
    }

    [Fact]
    public async Task The_node_example_runs()
    {
        if (!daemon.HasTools) return;
        Assert.Equal("200 hello", await GrpcDaemon.ExampleAsync("node", Path.Combine(GrpcDaemon.Root, "examples/clients/grpc-node/client.js"), daemon.Address, "echo", "hello"));
    }

    [Fact]
    public async Task The_csharp_example_runs()
    {
        var folder = Path.Combine(GrpcDaemon.Root, "examples/clients/grpc-csharp");
        // Built in the clone itself, but not among its outputs.
        await GrpcDaemon.ExampleAsync("dotnet", "build", folder, "-v", "quiet", "--nologo", "-nodeReuse:false", "-o", Path.Combine(GrpcDaemon.Root, "artifacts/examples/grpc-csharp"));
        var program = Path.Combine(GrpcDaemon.Root, "artifacts/examples/grpc-csharp/GrpcClient.dll");
        Assert.Equal("200 hello", await GrpcDaemon.ExampleAsync("dotnet", program, daemon.Address, "echo", "hello"));
    }
}
