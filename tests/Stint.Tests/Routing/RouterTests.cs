using Microsoft.Extensions.Logging.Abstractions;
using Stint.Functions;
using Stint.Invocations;
using Stint.Pools;
using Stint.Routing;
using Stint.Tests.Pools;

namespace Stint.Tests.Routing;

public sealed class RouterTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly PoolBench _bench = new();
    private readonly Router _router;

    public RouterTests() => _router = new Router(_ => _bench.Backend, _bench.Budget, new PoolOptions(), _bench.Time, NullLogger<Router>.Instance);

    private FunctionVersion Version(string id = "v1", string name = "f") => _bench.Version(PoolBench.Spec, id, name);

    private Task<Reply> Invoke(string id = "") => _router.InvokeAsync(PoolBench.Call(id)).AsTask();

    public Task InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _router.DisposeAsync();
        await _bench.DisposeAsync();
    }

    [Fact]
    public async Task A_function_that_is_not_there_is_answered_not_found()
    {
        var reply = await Invoke();
        Assert.Equal((Outcome.NotFound, "no function f; `stint ls` lists what is deployed"), (reply.Outcome, reply.Error));
    }

    [Fact]
    public async Task A_function_that_is_served_is_called()
    {
        SynchronizationContext.SetSynchronizationContext(null);
        Assert.Null(await _router.OnServing(Version()));
        var reply = Invoke("a");
        _bench.Backend.Running("a").Answer();
        Assert.Equal(Outcome.Answered, (await reply).Outcome);
        Assert.Equal("f", Assert.Single(_router.Pools).Name.ToString());
    }

    [Fact]
    public async Task A_broken_function_is_answered_unavailable_with_its_problem()
    {
        _router.SetProblem(PoolBench.Name("f"), "function.toml, line 3: unknown key");
        var reply = await Invoke();
        Assert.Equal((Outcome.Unavailable, "f is deployed but cannot run: function.toml, line 3: unknown key"), (reply.Outcome, reply.Error));
        _router.ClearProblem(PoolBench.Name("f"));
        Assert.Equal(Outcome.NotFound, (await Invoke()).Outcome);
    }

    [Fact]
    public async Task Who_would_be_refused_is_known_without_a_call()
    {
        _router.SetProblem(PoolBench.Name("f"), "function.toml, line 3: unknown key");
        Assert.Equal(Outcome.Unavailable, _router.Refuse(PoolBench.Name("f"))?.Outcome);
        Assert.Equal(Outcome.NotFound, _router.Refuse(PoolBench.Name("g"))?.Outcome);
        await _router.OnServing(Version());
        Assert.Null(_router.Refuse(PoolBench.Name("f")));
    }

    [Fact]
    public async Task A_problem_with_a_new_version_leaves_the_earlier_one_serving()
    {
        SynchronizationContext.SetSynchronizationContext(null);
        await _router.OnServing(Version());
        _router.SetProblem(PoolBench.Name("f"), "the build failed");
        var reply = Invoke("a");
        _bench.Backend.Running("a").Answer();
        Assert.Equal(Outcome.Answered, (await reply).Outcome);
        Assert.Equal("the build failed", _router.Problem(PoolBench.Name("f")));
        await _router.OnServing(Version("v2"));
        Assert.Null(_router.Problem(PoolBench.Name("f")));
    }

    [Fact]
    public async Task A_removed_function_is_not_found_while_its_calls_end()
    {
        SynchronizationContext.SetSynchronizationContext(null);
        await _router.OnServing(Version());
        var reply = Invoke("a");
        var removed = _router.OnRemoved(PoolBench.Name("f"));
        Assert.Equal(Outcome.NotFound, (await Invoke("b")).Outcome);
        Assert.False(removed.IsCompleted);
        await _router.OnServing(Version("v2"));
        _ = Invoke("c");
        Assert.Equal("v2", _bench.Backend.Running("c").Instance.Version.Id);
        _bench.Backend.Running("a").Answer();
        await removed;
        Assert.Equal(Outcome.Answered, (await reply).Outcome);
    }

    [Fact]
    public async Task A_shutdown_covers_functions_that_are_being_removed()
    {
        SynchronizationContext.SetSynchronizationContext(null);
        await _router.OnServing(Version());
        _ = Invoke("a");
        var removed = _router.OnRemoved(PoolBench.Name("f"));
        var drained = _router.DrainAsync(TimeSpan.FromSeconds(1));
        _bench.Time.Advance(1000);
        await drained;
        await removed;
        Assert.Empty(_bench.Backend.Alive);
        Assert.Equal("this daemon is shutting down", await _router.OnServing(Version("v2")));
    }
}
