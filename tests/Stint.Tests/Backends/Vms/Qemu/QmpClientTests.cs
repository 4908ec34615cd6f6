using System.Text;
using Stint.Backends.Vms.Qemu;

namespace Stint.Tests.Backends.Vms.Qemu;

/// <summary>QMP against an other end that keeps to it, and against others. The real QEMU is in the end-to-end tests.</summary>
public sealed class QmpClientTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Answers_find_their_commands_in_any_order_with_events_in_between()
    {
        using var qemu = new ScriptedQemu();
        var events = new List<string>();
        await using var client = await qemu.OpenAsync((name, data) => events.Add($"{name} {data?.GetRawText()}"));
        var first = client.QueryAsync("query-status", QmpJson.Default.RunState, default);
        var (_, firstId, _) = await qemu.HearAsync();
        var second = client.QueryAsync("query-status", QmpJson.Default.RunState, default);
        var (_, secondId, _) = await qemu.HearAsync();
        qemu.Say("""{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}""");
        qemu.Say($$"""{"return": {"status": "paused", "running": false}, "id": {{secondId}}}""");
        qemu.Say("""{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}""");
        qemu.Say($$"""{"return": {"status": "running", "running": true}, "id": {{firstId}}}""");
        Assert.Equal("running", (await first.WaitAsync(Limit, TimeProvider.System)).Status);
        Assert.Equal("paused", (await second.WaitAsync(Limit, TimeProvider.System)).Status);
        Assert.Equal(["STOP ", """SHUTDOWN {"guest": true, "reason": "guest-reset"}"""], events);
    }

    [Fact]
    public async Task Arguments_are_sent_under_QEMUs_names()
    {
        using var qemu = new ScriptedQemu();
        await using var client = await qemu.OpenAsync();
        var migrating = client.ExecuteAsync("migrate", new MigrationTarget("unix:/x"), QmpJson.Default.MigrationTarget, default);
        var (command, id, request) = await qemu.HearAsync();
        Assert.Equal(("migrate", """{"uri":"unix:/x"}"""), (command, request.GetProperty("arguments").GetRawText()));
        qemu.Say($$"""{"return": {}, "id": {{id}}}""");
        await migrating.WaitAsync(Limit, TimeProvider.System);
        var setting = client.ExecuteAsync("migrate-set-parameters", new MigrationParameters { MaxBandwidth = 7 }, QmpJson.Default.MigrationParameters, default);
        (_, id, request) = await qemu.HearAsync();
        Assert.Equal("""{"max-bandwidth":7}""", request.GetProperty("arguments").GetRawText());
        qemu.Say($$"""{"return": {}, "id": {{id}}}""");
        await setting.WaitAsync(Limit, TimeProvider.System);
    }

    [Fact]
    public async Task A_refusal_has_QEMUs_words_and_concerns_its_command_alone()
    {
        using var qemu = new ScriptedQemu();
        await using var client = await qemu.OpenAsync();
        var refused = client.ExecuteAsync("migrate", default);
        var (_, id, _) = await qemu.HearAsync();
        qemu.Say($$"""{"id": {{id}}, "error": {"class": "GenericError", "desc": "There's a migration process in progress"} }""");
        Assert.Equal("QEMU refused: There's a migration process in progress", (await Assert.ThrowsAsync<QmpException>(() => refused.WaitAsync(Limit, TimeProvider.System))).Message);
        var next = client.ExecuteAsync("cont", default);
        (_, id, _) = await qemu.HearAsync();
        qemu.Say($$"""{"return": {}, "id": {{id}}}""");
        await next.WaitAsync(Limit, TimeProvider.System);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1", "not QMP")]
    [InlineData("{\"return\": ", "not QMP")]
    [InlineData("[1]", "not QMP")]
    [InlineData("{\"error\": {\"class\": \"GenericError\", \"desc\": \"Invalid JSON syntax\"}}", "did not understand a command: Invalid JSON syntax")]
    public async Task What_is_not_QMP_ends_the_connection_and_whoever_waits_hears_why(string line, string message)
    {
        using var qemu = new ScriptedQemu();
        await using var client = await qemu.OpenAsync();
        var waiting = client.ExecuteAsync("stop", default);
        await qemu.HearAsync();
        qemu.Say(line);
        Assert.Contains(message, (await Assert.ThrowsAsync<QmpException>(() => waiting.WaitAsync(Limit, TimeProvider.System))).Message, StringComparison.Ordinal);
        await client.Ended.WaitAsync(Limit, TimeProvider.System);
        Assert.Contains(message, (await Assert.ThrowsAsync<QmpException>(() => client.ExecuteAsync("cont", default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_line_without_end_is_given_up()
    {
        using var qemu = new ScriptedQemu();
        await using var client = await qemu.OpenAsync();
        var waiting = client.ExecuteAsync("stop", default);
        await qemu.HearAsync();
        qemu.Say(Encoding.ASCII.GetBytes("{\"event\": \"" + new string('x', QmpClient.MaxLine)));
        Assert.Contains("a line of more than", (await Assert.ThrowsAsync<QmpException>(() => waiting.WaitAsync(Limit, TimeProvider.System))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_that_nobody_waits_for_is_passed_over()
    {
        using var qemu = new ScriptedQemu();
        await using var client = await qemu.OpenAsync();
        qemu.Say("""{"return": {}, "id": 4711}""");
        qemu.Say("""{"error": {"class": "GenericError", "desc": "?"}, "id": 4712}""");
        var next = client.ExecuteAsync("cont", default);
        var (_, id, _) = await qemu.HearAsync();
        qemu.Say($$"""{"return": {}, "id": {{id}}}""");
        await next.WaitAsync(Limit, TimeProvider.System);
    }

    [Fact]
    public async Task A_result_of_another_type_is_an_error()
    {
        using var qemu = new ScriptedQemu();
        await using var client = await qemu.OpenAsync();
        var asking = client.QueryAsync("query-status", QmpJson.Default.RunState, default);
        var (_, id, _) = await qemu.HearAsync();
        qemu.Say($$"""{"return": [1], "id": {{id}}}""");
        Assert.Contains("answered query-status with something else", (await Assert.ThrowsAsync<QmpException>(() => asking.WaitAsync(Limit, TimeProvider.System))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_end_of_the_connection_ends_what_waits()
    {
        using var qemu = new ScriptedQemu();
        await using var client = await qemu.OpenAsync();
        var waiting = client.ExecuteAsync("stop", default);
        await qemu.HearAsync();
        qemu.HangUp();
        await Assert.ThrowsAsync<QmpException>(() => waiting.WaitAsync(Limit, TimeProvider.System));
        await client.Ended.WaitAsync(Limit, TimeProvider.System);
    }

    [Fact]
    public async Task Who_does_not_greet_is_no_QEMU()
    {
        using var qemu = new ScriptedQemu();
        var opening = QmpClient.OpenAsync(qemu.ClientsEnd, (_, _) => { }, default);
        qemu.HangUp();
        await Assert.ThrowsAsync<QmpException>(() => opening.WaitAsync(Limit, TimeProvider.System));
    }

    [Fact]
    public async Task Waiting_can_be_given_up()
    {
        using var qemu = new ScriptedQemu();
        await using var client = await qemu.OpenAsync();
        using var giveUp = new CancellationTokenSource();
        var waiting = client.ExecuteAsync("stop", giveUp.Token);
        var (_, id, _) = await qemu.HearAsync();
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(Limit, TimeProvider.System));
        qemu.Say($$"""{"return": {}, "id": {{id}}}""");
        var next = client.ExecuteAsync("cont", default);
        (_, id, _) = await qemu.HearAsync();
        qemu.Say($$"""{"return": {}, "id": {{id}}}""");
        await next.WaitAsync(Limit, TimeProvider.System);
    }
}
