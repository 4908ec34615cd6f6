using System.Text;
using Stint.Backends.Containers.Engine;
using Stint.Tests.Cli;
using Stint.Tests.Time;

namespace Stint.Tests.Backends.Containers.Engine;

/// <summary>An engine behind TCP may be anybody: whatever it sends is bounded, and ends in a fault with a name.</summary>
public sealed class HostileEngineTests
{
    private const string Json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

    [Theory]
    [InlineData("", nameof(EngineFault.BrokeOff))]
    [InlineData("H", nameof(EngineFault.BrokeOff))]
    [InlineData("hello\r\n\r\n", nameof(EngineFault.Broken))]
    [InlineData("HTTP/1.1 abc\r\n\r\n", nameof(EngineFault.Broken))]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n", nameof(EngineFault.Broken))]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}", nameof(EngineFault.Broken))]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Id\":", nameof(EngineFault.BrokeOff))]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"Id\"", nameof(EngineFault.BrokeOff))]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", nameof(EngineFault.BrokeOff))]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", nameof(EngineFault.Broken))]
    [InlineData("HTTP/1.1 304 x\r\n\r\n", nameof(EngineFault.Broken))]
    [InlineData(Json + "\r\n", nameof(EngineFault.Broken))]
    [InlineData(Json + "\r\nnull", nameof(EngineFault.Broken))]
    [InlineData(Json + "\r\n[]", nameof(EngineFault.Broken))]
    [InlineData(Json + "\r\n{}", nameof(EngineFault.Broken))]
    [InlineData(Json + "\r\n{\"Id\":null,\"State\":{}}", nameof(EngineFault.Broken))]
    [InlineData(Json + "\r\n{\"Id\":5,\"State\":{}}", nameof(EngineFault.Broken))]
    [InlineData(Json + "\r\n{\"Id\":\"a\",\"State\":[]}", nameof(EngineFault.Broken))]
    [InlineData(Json + "\r\n{\"Id\":\"a\",\"State\":{\"Running\":\"yes\"}}", nameof(EngineFault.Broken))]
    [InlineData(Json + "\r\n{\"Id\":\"a\",\"State\":{\"Pid\":99999999999999999999}}", nameof(EngineFault.Broken))]
    [InlineData(Json + "\r\n{\"Id\":\"a\",\"State\":{\"Pid\":1}", nameof(EngineFault.Broken))]
    public async Task An_answer_that_is_none(string answer, string fault)
    {
        await using var engine = PlayedEngine.Raw(answer);
        using var client = engine.Client();
        var failure = await Assert.ThrowsAsync<EngineException>(() => client.Containers.InspectAsync("a", default));
        Assert.True(fault == failure.Fault.ToString(), $"{failure.Fault}: {failure.Message}");
    }

    [Fact]
    public async Task What_may_be_missing_is_empty()
    {
        await using var engine = PlayedEngine.Raw(Json + "\r\n{\"Id\":\"a\",\"State\":{},\"Config\":{\"Labels\":null},\"NetworkSettings\":{\"Networks\":null},\"New\":[{\"x\":1}]}");
        using var client = engine.Client();
        var details = await client.Containers.InspectAsync("a", default);
        Assert.Empty(details.Config!.Labels);
        Assert.Empty(details.Config.Env);
        Assert.Empty(details.NetworkSettings!.Networks);
    }

    [Fact]
    public async Task Deep_nesting_is_an_unreadable_answer()
    {
        await using var engine = PlayedEngine.Raw(Json + "\r\n{\"Id\":\"a\",\"New\":" + new string('[', 100_000));
        using var client = engine.Client();
        Assert.Equal(EngineFault.Broken, (await Assert.ThrowsAsync<EngineException>(() => client.Containers.InspectAsync("a", default))).Fault);
    }

    [Fact]
    public async Task An_answer_without_end_is_not_read_to_its_end()
    {
        await using var engine = Endless(Json + "\r\n{\"Id\":\"");
        using var client = engine.Client();
        var failure = await Assert.ThrowsAsync<EngineException>(() => client.Containers.InspectAsync("a", default));
        Assert.Equal(EngineFault.Broken, failure.Fault);
        Assert.Contains("longer than", failure.Message, StringComparison.Ordinal);
        await Wait.UntilAsync(() => engine.Open <= 1);
    }

    [Fact]
    public async Task Headers_without_end_are_not_read_to_their_end()
    {
        await using var engine = Endless("HTTP/1.1 200 OK\r\nX: ");
        using var client = engine.Client();
        Assert.Equal(EngineFault.Broken, (await Assert.ThrowsAsync<EngineException>(() => client.Containers.InspectAsync("a", default))).Fault);
    }

    [Fact]
    public async Task An_error_without_end_is_cut()
    {
        await using var engine = Endless("HTTP/1.1 500 x\r\n\r\n{\"message\":\"");
        using var client = engine.Client();
        var failure = await Assert.ThrowsAsync<EngineException>(() => client.Containers.InspectAsync("a", default));
        Assert.Equal(EngineFault.Failed, failure.Fault);
        Assert.InRange(failure.Message.Length, 1, 2000);
    }

    [Fact]
    public async Task An_error_s_words_are_quoted_short_and_harmless()
    {
        await using var engine = PlayedEngine.Raw("HTTP/1.1 500 x\r\n\r\n{\"message\":\"\\u001b[31mred\\nnext line" + new string('x', 5000) + "\"}");
        using var client = engine.Client();
        var failure = await Assert.ThrowsAsync<EngineException>(() => client.Containers.InspectAsync("a", default));
        Assert.StartsWith(" [31mred next linexxx", failure.EngineMessage!.Replace("could not", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain(failure.Message, char.IsControl);
        Assert.InRange(failure.Message.Length, 1000, 1200);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200 OK\r\nConten")]
    [InlineData(Json + "Content-Length: 5\r\n\r\n{")]
    [InlineData("HTTP/1.1 500 OK\r\nContent-Length: 5\r\n\r\n{")]
    public async Task An_answer_that_comes_too_slowly_is_given_up(string beginning)
    {
        var time = new FakeTime();
        var hasBegun = new TaskCompletionSource();
        await using var engine = new PlayedEngine(async call =>
        {
            if (call.IsPing) return;
            await call.WriteAsync(beginning);
            hasBegun.SetResult();
            await call.HangAsync();
        });
        using var client = engine.Client(time);
        var asking = client.Containers.InspectAsync("a", default);
        await hasBegun.Task;
        time.Advance(EngineLimits.Question - TimeSpan.FromSeconds(1));
        Assert.False(asking.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(2));
        var failure = await Assert.ThrowsAsync<EngineException>(() => asking);
        Assert.Equal(EngineFault.TooSlow, failure.Fault);
        Assert.Contains("did not look at the container a within 30 s", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_caller_who_gives_up_is_not_told_of_a_fault()
    {
        await using var engine = new PlayedEngine(static call => call.IsPing ? Task.CompletedTask : call.HangAsync());
        using var client = engine.Client();
        using var enough = new CancellationTokenSource();
        var asking = client.Containers.InspectAsync("a", enough.Token);
        await Wait.UntilAsync(() => engine.Asked.Count == 2);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("../images/x")]
    [InlineData("a/b")]
    [InlineData("a?force=true")]
    [InlineData("a%2fb")]
    [InlineData("a b")]
    [InlineData("a\r\nX: y")]
    [InlineData("ä")]
    public async Task What_is_no_name_is_never_sent(string id)
    {
        await using var engine = new PlayedEngine(static call => call.AnswerAsync(200, "{}"));
        using var client = engine.Client();
        foreach (var call in (Func<Task>[])[() => client.Containers.StartAsync(id, default), () => client.Networks.RemoveAsync(id, default), () => client.Containers.OpenLogsAsync(id, default, default)])
            Assert.Equal(EngineFault.Rejected, (await Assert.ThrowsAsync<EngineException>(call)).Fault);
        Assert.Empty(engine.Asked);
    }

    [Theory]
    [InlineData("a/../../containers/x")]
    [InlineData("a//b")]
    [InlineData("/a")]
    [InlineData("a/./b")]
    [InlineData("a?b")]
    [InlineData("-a")]
    public async Task What_is_no_image_is_never_sent(string image)
    {
        await using var engine = new PlayedEngine(static call => call.AnswerAsync(200, "{}"));
        using var client = engine.Client();
        Assert.Equal(EngineFault.Rejected, (await Assert.ThrowsAsync<EngineException>(() => client.Images.InspectAsync(image, default))).Fault);
        Assert.Equal(EngineFault.Rejected, (await Assert.ThrowsAsync<EngineException>(() => client.Images.RemoveAsync(image, force: true, default))).Fault);
        Assert.Empty(engine.Asked);
    }

    private static PlayedEngine Endless(string beginning) => new(async call =>
    {
        if (call.IsPing) return;
        await call.WriteAsync(beginning);
        var more = Encoding.ASCII.GetBytes(new string('x', 64 * 1024));
        while (!call.Stop.IsCancellationRequested) await call.WriteAsync(more);
    });
}
