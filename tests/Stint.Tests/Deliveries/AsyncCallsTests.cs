using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Stint.Deliveries;
using Stint.Invocations;
using Stint.Tests.Cli;
using Stint.Tests.Functions;

namespace Stint.Tests.Deliveries;

public sealed class AsyncCallsTests
{
    [Fact]
    public async Task A_call_runs_as_it_was_accepted()
    {
        await using var rig = new CallsRig();
        Invocation? seen = null;
        rig.Function = async call =>
        {
            Assert.Equal("body", Encoding.UTF8.GetString(call.Body.ToArray()));
            seen = call;
            await Task.Yield();
            return CallsRig.Answer("ok");
        };
        await rig.BeginAsync();
        Assert.Null(await rig.AcceptAsync("a"));
        await Wait.UntilAsync(() => rig.IsIdle);
        Assert.Equal(("a", "POST", "/p", "q=1"), (seen!.CallId, seen.Method, seen.Path, seen.Query));
        Assert.True(seen.Headers.TryGet("X-Test", out var value) && value == "yes");
        Assert.Empty(await rig.ListAsync());
        Assert.Equal((1, 1, 0, 0), Counts(rig));
    }

    [Fact]
    public async Task A_long_body_is_streamed_from_disk()
    {
        await using var rig = new CallsRig();
        var body = Enumerable.Range(0, 1_000_000).Select(static i => (byte)(i * 7)).ToArray();
        byte[]? seen = null;
        rig.Function = async call =>
        {
            using var copy = new MemoryStream();
            await call.BodyStream!.CopyToAsync(copy);
            Assert.Equal(body.Length, call.BodyLength);
            seen = copy.ToArray();
            return CallsRig.Answer("ok");
        };
        await rig.BeginAsync();
        var call = new Invocation { Function = StoreFolder.Name(), CallId = "long", BodyStream = PipeReader.Create(new ReadOnlySequence<byte>(body)) };
        Assert.Null(await rig.Calls.AcceptAsync(call));
        await Wait.UntilAsync(() => rig.IsIdle);
        Assert.Equal(body, seen);
    }

    [Fact]
    public async Task An_identity_that_is_sent_again_is_accepted_and_not_run_again()
    {
        await using var rig = new CallsRig();
        await rig.BeginAsync();
        for (var i = 0; i < 3; i++) Assert.Null(await rig.AcceptAsync("a"));
        await Wait.UntilAsync(() => rig.IsIdle);
        Assert.Null(await rig.AcceptAsync("a"));
        Assert.Null(await rig.AcceptAsync("b"));
        await Wait.UntilAsync(() => rig.Tries.Any(static one => one.CallId == "b") && rig.IsIdle);
        Assert.Equal(["a", "b"], rig.Tries.Select(static one => one.CallId));
    }

    // Which ends are tried again, by default and with two retries; the last number is how many tries there are in all.
    [Theory]
    [InlineData(nameof(Outcome.Answered), 200, 0, 1, false)]
    [InlineData(nameof(Outcome.Answered), 404, 2, 1, false)]
    [InlineData(nameof(Outcome.Answered), 500, 0, 1, true)]
    [InlineData(nameof(Outcome.Answered), 500, 2, 3, true)]
    [InlineData(nameof(Outcome.Answered), 429, 2, 3, true)]
    [InlineData(nameof(Outcome.FunctionFailed), 0, 0, 1, true)]
    [InlineData(nameof(Outcome.FunctionFailed), 0, 2, 3, true)]
    [InlineData(nameof(Outcome.TimedOut), 0, 2, 3, true)]
    [InlineData(nameof(Outcome.Crashed), 0, 0, 4, true)]
    [InlineData(nameof(Outcome.ContractBroken), 0, 5, 6, true)]
    [InlineData(nameof(Outcome.NotFound), 0, 2, 1, true)]
    [InlineData(nameof(Outcome.NotImplemented), 0, 2, 1, true)]
    [InlineData(nameof(Outcome.BadRequest), 0, 2, 1, true)]
    public async Task Each_end_is_tried_again_as_often_as_it_should_be(string outcome, int status, int retries, int tries, bool dies)
    {
        await using var rig = new CallsRig { Policy = new AsyncPolicy { Concurrency = 1, Retries = retries, Backoff = TimeSpan.FromSeconds(1) } };
        var kind = Enum.Parse<Outcome>(outcome);
        rig.Function = _ => Task.FromResult(kind == Outcome.Answered ? CallsRig.Answer("x", status) : Reply.Failure(kind, "no"));
        await rig.BeginAsync();
        await rig.AcceptAsync("a");
        await rig.AdvanceUntilAsync(() => rig.IsIdle, 200);
        Assert.Equal(tries, rig.Tries.Count);
        var dead = await rig.ListAsync(dead: true);
        Assert.Equal(dies, dead.Count == 1);
        Assert.Equal((1, dies ? 0 : 1, tries - 1, dies ? 1 : 0), Counts(rig));
        if (!dies) return;
        Assert.Equal((kind == Outcome.Answered ? status : CallEnd.StatusOf(kind), tries), (dead[0].Status, dead[0].Attempts));
        Assert.Contains(kind == Outcome.Answered ? $"{status}" : "no", dead[0].Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(nameof(Outcome.Shed))]
    [InlineData(nameof(Outcome.Unavailable))]
    public async Task What_the_platform_could_not_run_is_tried_until_it_can_or_is_too_old(string outcome)
    {
        await using var rig = new CallsRig { Policy = new AsyncPolicy { Concurrency = 4, MaxAge = TimeSpan.FromMinutes(10) } };
        var busy = true;
        rig.Function = _ => Task.FromResult(busy ? Reply.Failure(Enum.Parse<Outcome>(outcome), "busy") : CallsRig.Answer("ok"));
        await rig.BeginAsync();
        await rig.AcceptAsync("a");
        await rig.AdvanceUntilAsync(() => rig.Tries.Count >= 6, 200);
        busy = false;
        await rig.AdvanceUntilAsync(() => rig.IsIdle, 200);
        Assert.Empty(await rig.ListAsync());

        busy = true;
        await rig.AcceptAsync("old");
        await rig.AdvanceUntilAsync(() => rig.Usage.DeadCalls == 1 && rig.IsIdle, 1000);
        Assert.Contains("max-age", (await rig.ListAsync(dead: true))[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waits_double_with_at_most_half_of_them_left_to_chance()
    {
        await using var rig = new CallsRig { Policy = new AsyncPolicy { Concurrency = 1, Retries = 5, Backoff = TimeSpan.FromSeconds(2) } };
        rig.Function = static _ => Task.FromResult(CallsRig.Answer("no", 503));
        await rig.BeginAsync();
        await rig.AcceptAsync("a");
        await rig.AdvanceUntilAsync(() => rig.Usage.DeadCalls == 1 && rig.IsIdle, 100);
        var at = rig.Tries.Select(static one => one.At).ToList();
        Assert.Equal(6, at.Count);
        for (var i = 1; i < at.Count; i++)
        {
            var full = TimeSpan.FromSeconds(2 * Math.Pow(2, i - 1));
            // Never too early; how late depends on how fast this machine follows the virtual clock.
            Assert.True(at[i] - at[i - 1] >= full / 2, $"try {i + 1} came {at[i] - at[i - 1]} after the one before");
        }
    }

    [Fact]
    public async Task Retry_after_is_waited_for()
    {
        await using var rig = new CallsRig { Policy = new AsyncPolicy { Concurrency = 1, Retries = 1, Backoff = TimeSpan.FromMilliseconds(10) } };
        rig.Function = static _ => Task.FromResult(CallsRig.Answer("later", 429, ("Retry-After", "90")));
        await rig.BeginAsync();
        await rig.AcceptAsync("a");
        await rig.AdvanceUntilAsync(() => rig.Usage.DeadCalls == 1 && rig.IsIdle, 1000);
        var at = rig.Tries.Select(static one => one.At).ToList();
        Assert.True(at[1] - at[0] >= TimeSpan.FromSeconds(90));
    }

    [Fact]
    public async Task In_order_a_call_waits_for_those_before_it_however_often_they_are_tried()
    {
        await using var rig = new CallsRig { Policy = new AsyncPolicy { IsOrdered = true, Retries = 3, Backoff = TimeSpan.FromSeconds(1) } };
        var failures = 2;
        rig.Function = call => Task.FromResult(call.CallId == "1" && Interlocked.Decrement(ref failures) >= 0 ? CallsRig.Answer("no", 500) : CallsRig.Answer("ok"));
        for (var i = 0; i < 40; i++) await rig.AcceptAsync($"{i}");
        await rig.BeginAsync();
        await rig.AdvanceUntilAsync(() => rig.IsIdle);
        Assert.Equal(["0", "1", "1", "1", .. Enumerable.Range(2, 38).Select(static i => $"{i}")], rig.Tries.Select(static one => one.CallId));
    }

    [Fact]
    public async Task In_order_a_dead_letter_lets_the_next_one_go()
    {
        await using var rig = new CallsRig { Policy = new AsyncPolicy { IsOrdered = true } };
        rig.Function = static call => Task.FromResult(CallsRig.Answer("x", call.CallId == "1" ? 500 : 200));
        for (var i = 0; i < 3; i++) await rig.AcceptAsync($"{i}");
        await rig.BeginAsync();
        await rig.AdvanceUntilAsync(() => rig.IsIdle);
        Assert.Equal(["0", "1", "2"], rig.Tries.Select(static one => one.CallId));
        Assert.Equal("1", Assert.Single(await rig.ListAsync(dead: true)).Id);
    }

    [Fact]
    public async Task No_more_calls_run_at_a_time_than_the_policy_says()
    {
        await using var rig = new CallsRig { Policy = new AsyncPolicy { Concurrency = 3 } };
        var (running, most) = (0, 0);
        var gate = new SemaphoreSlim(0);
        rig.Function = async _ =>
        {
            var now = Interlocked.Increment(ref running);
            lock (gate) most = Math.Max(most, now);
            await gate.WaitAsync();
            Interlocked.Decrement(ref running);
            return CallsRig.Answer("ok");
        };
        for (var i = 0; i < 20; i++) await rig.AcceptAsync($"{i}");
        await rig.BeginAsync();
        await Wait.UntilAsync(() => Volatile.Read(ref running) == 3);
        gate.Release(20);
        await Wait.UntilAsync(() => rig.IsIdle);
        Assert.Equal(3, most);
        Assert.Equal(20, rig.Tries.Select(static one => one.CallId).Distinct().Count());
    }

    [Fact]
    public async Task What_an_earlier_run_left_is_run_by_the_next()
    {
        using var folder = new TempFolder();
        await using (var first = new CallsRig(folder))
        {
            for (var i = 0; i < 5; i++) await first.AcceptAsync($"{i}");
        }
        await using var second = new CallsRig(folder);
        Assert.Equal(5, second.Usage.Calls);
        await second.BeginAsync();
        await Wait.UntilAsync(() => second.IsIdle);
        Assert.Equal(["0", "1", "2", "3", "4"], second.Tries.Select(static one => one.CallId).Order());
    }

    [Fact]
    public async Task Draining_waits_for_what_runs_and_leaves_the_rest_on_disk()
    {
        using var folder = new TempFolder();
        await using (var first = new CallsRig(folder) { Policy = new AsyncPolicy { Concurrency = 1 } })
        {
            var gate = new TaskCompletionSource();
            first.Function = async _ =>
            {
                await gate.Task;
                return CallsRig.Answer("ok");
            };
            for (var i = 0; i < 3; i++) await first.AcceptAsync($"{i}");
            await first.BeginAsync();
            await Wait.UntilAsync(() => first.Tries.Count == 1);
            using var never = new CancellationTokenSource();
            var drained = first.Calls.DrainAsync(never.Token);
            Assert.False(drained.IsCompleted);
            gate.SetResult();
            await drained;
            Assert.Single(first.Tries);
        }
        await using var second = new CallsRig(folder);
        Assert.Equal(2, second.Usage.Calls);
    }

    [Fact]
    public async Task A_call_that_a_shutdown_breaks_off_runs_again_at_the_next_start()
    {
        using var folder = new TempFolder();
        await using (var first = new CallsRig(folder))
        {
            var killed = new TaskCompletionSource<Reply>();
            first.Function = _ => killed.Task;
            await first.AcceptAsync("a");
            await first.BeginAsync();
            await Wait.UntilAsync(() => first.Tries.Count == 1);
            await first.Calls.DrainAsync(new CancellationToken(canceled: true));
            killed.SetResult(Reply.Failure(Outcome.Crashed, "killed"));
        }
        await using var second = new CallsRig(folder);
        await second.BeginAsync();
        await Wait.UntilAsync(() => second.IsIdle);
        Assert.Equal("a", Assert.Single(second.Tries).CallId);
    }

    [Fact]
    public async Task A_removed_functions_calls_are_dead_letters_until_somebody_retries_them()
    {
        await using var rig = new CallsRig();
        await rig.AcceptAsync("a");
        await rig.AcceptAsync("b");
        await rig.Calls.ForgetAsync(StoreFolder.Name());
        Assert.Equal((0, 2), (rig.Usage.Calls, rig.Usage.DeadCalls));
        await rig.BeginAsync();
        var (count, lanes) = await rig.Slot.Store!.ReviveAsync(new(IsDead: true));
        Assert.Equal(2, count);
        foreach (var lane in lanes) rig.Calls.Wake(lane);
        await Wait.UntilAsync(() => rig.Usage.DeadCalls == 0 && rig.IsIdle);
        Assert.Equal(2, rig.Tries.Count);
    }

    [Fact]
    public async Task What_cannot_be_called_is_refused_and_so_is_too_much_and_a_callback_to_this_host()
    {
        await using var rig = new CallsRig(limits: new Stint.Deliveries.Storage.StoreLimits { Calls = 1, Reserve = 0 });
        rig.Refuse = static _ => Reply.Failure(Outcome.NotFound, "nobody");
        Assert.Equal(Outcome.NotFound, (await rig.AcceptAsync("a"))!.Outcome);
        rig.Refuse = static _ => null;
        var refused = await rig.Calls.AcceptAsync(CallsRig.Call("a", headers: new HeaderList { { "X-Callback-Url", "http://127.0.0.1/" } }));
        Assert.Equal(Outcome.BadRequest, refused!.Outcome);
        Assert.Contains("--callback-allow", refused.Error, StringComparison.Ordinal);
        Assert.Null(await rig.AcceptAsync("a"));
        var full = await rig.AcceptAsync("b");
        Assert.Equal((Outcome.Shed, true), (full!.Outcome, full.RetryAfter is not null));
    }

    [Fact]
    public async Task Without_a_store_each_call_is_refused_with_what_to_do()
    {
        using var folder = new TempFolder();
        await using var logs = new Stint.Telemetry.Logs.FunctionLogs(folder.Path, 1024, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        await using var calls = UnopenedCalls.Of(static _ => default, logs);
        var refusal = await calls.AcceptAsync(CallsRig.Call("a"));
        Assert.Equal(Outcome.Unavailable, refusal!.Outcome);
        Assert.NotNull(refusal.RetryAfter);
    }

    [Fact]
    public async Task What_follows_a_call_is_in_the_outbox_exactly_when_the_call_is_done()
    {
        var kind = new TestKind();
        await using var rig = new CallsRig(null, null, kind);
        rig.Followers.Set(StoreFolder.Name(), (call, result) => [new Delivery { Kind = kind.Name, Function = call.Function, CallId = call.CallId, Target = "\"t\"", ContentType = result.ContentType, Body = result.Body, Status = result.Status }]);
        var answers = new Dictionary<string, Reply> { ["good"] = CallsRig.Answer("result", 201), ["bad"] = CallsRig.Answer("no", 404), ["broken"] = CallsRig.Answer("no", 500), ["long"] = CallsRig.Answer(new string('x', 1001)) };
        rig.Function = call => Task.FromResult(answers[call.CallId]);
        foreach (var id in answers.Keys) await rig.AcceptAsync(id);
        await rig.BeginAsync();
        await Wait.UntilAsync(() => rig.IsIdle);
        var delivered = Assert.Single(kind.Delivered);
        Assert.Equal(("good", 201, "text/x-test", "result"), (delivered.CallId, delivered.Status, delivered.ContentType, Encoding.UTF8.GetString(delivered.Body.Span)));
    }

    [Fact]
    public async Task A_callback_hears_of_every_end()
    {
        var kind = new TestKind("callback");
        await using var rig = new CallsRig(null, null, kind);
        var answers = new Dictionary<string, Func<Reply>> { ["good"] = static () => CallsRig.Answer("result", 201), ["broken"] = static () => CallsRig.Answer("sorry", 500), ["gone"] = static () => Reply.Failure(Outcome.NotFound, "nobody") };
        rig.Function = call => Task.FromResult(answers[call.CallId]());
        foreach (var id in answers.Keys) Assert.Null(await rig.Calls.AcceptAsync(CallsRig.Call(id, headers: new HeaderList { { "X-Callback-Url", "http://192.0.2.7/done" } })));
        await rig.BeginAsync();
        await Wait.UntilAsync(() => kind.Delivered.Count == 3 && rig.IsIdle);
        Assert.Equal(["broken 500 sorry", "gone 404 nobody\n", "good 201 result"], kind.Delivered.Select(static one => $"{one.CallId} {one.Status} {Encoding.UTF8.GetString(one.Body.Span)}").Order(StringComparer.Ordinal));
        Assert.All(kind.Delivered, static one => Assert.Equal("{\"url\":\"http://192.0.2.7/done\"}", one.Target));
    }

    private static (long, long, long, long) Counts(CallsRig rig)
    {
        var counter = rig.Calls.Counters.Of("f");
        return (counter.AcceptedCount, counter.DoneCount, counter.RetriedCount, counter.DeadCount);
    }
}
