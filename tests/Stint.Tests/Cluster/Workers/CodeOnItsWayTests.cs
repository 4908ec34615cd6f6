using Microsoft.AspNetCore.Http.Features;
using Stint.Cluster.Transport;
using Stint.Tests.Functions;

namespace Stint.Tests.Cluster.Workers;

/// <summary>A call comes to a worker that does not have the code yet, and something happens to the code.</summary>
public sealed class CodeOnItsWayTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("POST")]
    [InlineData("GET")]
    public async Task A_worker_whose_gateway_breaks_off_refuses_the_call_which_runs_elsewhere(string method)
    {
        var isBroken = true;
        await using var worker = await WorkerBench.StartAsync(_folder, request => isBroken ? BreakOffAsync(request) : WorkerBench.GiveAsync(request, _folder["echo"]));
        Assert.Equal("here", await worker.CallAsync(method));
        Assert.Null(worker.Ran);
        // Nothing of what came has stayed, and the next call fetches it.
        isBroken = false;
        Assert.Equal("there", await worker.CallAsync(method));
        Assert.Equal(method, worker.Ran!.Method);
    }

    [Fact]
    public async Task A_worker_whose_gateway_breaks_off_asks_the_next_one()
    {
        await using var worker = await WorkerBench.StartAsync(_folder, BreakOffAsync, request => WorkerBench.GiveAsync(request, _folder["echo"]));
        Assert.Equal("there", await worker.CallAsync());
    }

    [Fact]
    public async Task Code_that_is_not_what_was_asked_for_is_refused()
    {
        // Whole as an archive, but another function's.
        _folder.Write("other/function.toml", "python3");
        _folder.Write("other/code/fn.py", "evil");
        await using var worker = await WorkerBench.StartAsync(_folder, request => WorkerBench.GiveAsync(request, _folder["other"]));
        Assert.Equal("here", await worker.CallAsync());
        Assert.Null(worker.Ran);
    }

    private async Task BreakOffAsync(NodeRequest request)
    {
        await WorkerBench.GiveAsync(request, _folder["echo"], upTo: 200_000);
        request.Context.Get<IHttpRequestLifetimeFeature>()!.Abort();
    }
}
