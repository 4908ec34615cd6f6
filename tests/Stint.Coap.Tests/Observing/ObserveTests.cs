using System.Text;
using Stint.Coap.Messages;
using Stint.Coap.Observing;
using Stint.Coap.Tests.Support;

namespace Stint.Coap.Tests.Observing;

public sealed class ObserveTests : IAsyncLifetime
{
    private readonly EngineRig _rig = new();
    private int _value;

    public ObserveTests()
    {
        _rig.Resources.Handler = (_, _) => new(CoapResponse.Text($"value {Volatile.Read(ref _value)}"));
        _rig.Resources.Observation = static _ => new Observation { Interval = TimeSpan.FromSeconds(5) };
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _rig.DisposeAsync().AsTask();

    private CoapMessage Register(byte token = 7, uint observe = 0, string path = "clock") =>
        _rig.Exchange(_rig.Request(CoapCode.Get, path, [CoapOption.OfUInt(OptionNumber.Observe, observe)], token: token));

    private async Task<CoapMessage> Tick(double seconds = 5)
    {
        Interlocked.Increment(ref _value);
        _rig.Time.Advance(seconds);
        return await _rig.NextAsync();
    }

    private void Acknowledge(CoapMessage message) => _rig.Receive(0x60, 0x00, (byte)(message.MessageId >> 8), (byte)message.MessageId);

    private void Reset(CoapMessage message) => _rig.Receive(0x70, 0x00, (byte)(message.MessageId >> 8), (byte)message.MessageId);

    private static uint Sequence(CoapMessage message)
    {
        Assert.True(message.TryGetOption(OptionNumber.Observe, out var option), "no Observe option");
        return option.AsUInt();
    }

    private static string Text(CoapMessage message) => Encoding.UTF8.GetString(message.Payload.Span);

    [Fact]
    public async Task Notifications_come_at_the_interval_with_growing_sequence_numbers_and_the_first_is_confirmable()
    {
        var first = Register();
        Assert.Equal(("value 0", CoapMessageType.Acknowledgement), (Text(first), first.Type));

        var second = await Tick();
        Assert.Equal(("value 1", CoapMessageType.Confirmable), (Text(second), second.Type));
        Assert.Equal(first.Token, second.Token);
        Acknowledge(second);

        var third = await Tick();
        Assert.Equal(("value 2", CoapMessageType.NonConfirmable), (Text(third), third.Type));
        Assert.True(Sequence(first) < Sequence(second) && Sequence(second) < Sequence(third));
    }

    [Fact]
    public async Task One_run_serves_all_observers_of_a_representation()
    {
        Register(token: 1);
        Register(token: 2);
        _rig.Client = EngineRig.Local with { Port = 40_001 };
        Register(token: 1);
        var runs = _rig.Resources.Runs;
        await Tick();
        await Eventually.Holds(() => _rig.Pending == 1 || _rig.Engine.Counters[CoapEvent.Notification] == 3);
        Assert.Equal(runs + 1, _rig.Resources.Runs);
    }

    [Fact]
    public async Task A_reset_in_answer_to_a_confirmable_notification_ends_it()
    {
        Register();
        Reset(await Tick());
        Assert.Equal(0, _rig.Engine.Observers.Count);
        _rig.Time.Advance(100);
        _rig.AssertSilent();
    }

    [Fact]
    public async Task A_reset_in_answer_to_a_NON_notification_ends_it()
    {
        Register();
        Acknowledge(await Tick());
        var non = await Tick();
        Assert.Equal(CoapMessageType.NonConfirmable, non.Type);
        Reset(non);
        Assert.Equal(0, _rig.Engine.Observers.Count);
    }

    [Fact]
    public void Observe_1_ends_it_and_gets_an_ordinary_answer()
    {
        Register();
        var answer = Register(observe: 1);
        Assert.False(answer.TryGetOption(OptionNumber.Observe, out _));
        Assert.Equal(0, _rig.Engine.Observers.Count);
    }

    [Fact]
    public async Task An_observer_that_no_longer_acknowledges_is_let_go()
    {
        Register();
        await Tick();
        for (var i = 0; i < 200 && _rig.Engine.Observers.Count > 0; i++) _rig.Time.Advance(1);
        Assert.Equal(0, _rig.Engine.Observers.Count);
        await Eventually.Holds(() => _rig.Engine.Outgoing.Count == 0);
    }

    [Fact]
    public async Task A_newer_value_takes_the_place_of_one_that_is_being_repeated()
    {
        Register();
        var old = await Tick();
        Assert.Equal("value 1", Text(old));
        Interlocked.Increment(ref _value);
        var notified = _rig.Engine.Counters[CoapEvent.Notification];
        Assert.Equal(1, _rig.Engine.Observers.Changed(request => request.Path == "/clock"));
        await Eventually.Holds(() => _rig.Engine.Counters[CoapEvent.Notification] > notified);
        _rig.AssertSilent();
        _rig.Time.Advance(3.1);
        var newer = _rig.Next();
        Assert.Equal("value 2", Text(newer));
        Assert.NotEqual(old.MessageId, newer.MessageId);
    }

    [Fact]
    public async Task An_event_reruns_the_function_for_its_observers()
    {
        _rig.Resources.Observation = static _ => new Observation();
        Register();
        _rig.Time.Advance(1000);
        _rig.AssertSilent();
        Assert.Equal(0, _rig.Engine.Observers.Changed(request => request.Path == "/other"));
        Assert.Equal(1, _rig.Engine.Observers.Changed(request => request.Path == "/clock"));
        Assert.Equal("value 0", Text(await _rig.NextAsync()));
    }

    [Fact]
    public async Task Unchanged_values_are_kept_back_when_only_changes_are_wanted()
    {
        _rig.Resources.Observation = static _ => new Observation { Interval = TimeSpan.FromSeconds(5), NotifyUnchanged = false };
        Register();
        var runs = _rig.Resources.Runs;
        _rig.Time.Advance(5);
        await Eventually.Holds(() => _rig.Resources.Runs == runs + 1);
        Assert.Equal("value 1", Text(await Tick()));
    }

    [Fact]
    public async Task A_failure_is_told_once_without_Observe_and_ends_the_observation()
    {
        Register();
        _rig.Resources.Handler = static (_, _) => new(CoapResponse.Error(CoapCode.NotFound));
        var last = await Tick();
        Assert.Equal((CoapCode.NotFound, CoapMessageType.Confirmable), (last.Code, last.Type));
        Assert.False(last.TryGetOption(OptionNumber.Observe, out _));
        await Eventually.Holds(() => _rig.Engine.Observers.Count == 0);
    }

    [Fact]
    public void What_may_not_be_observed_gets_an_ordinary_answer()
    {
        _rig.Resources.Observation = static _ => null;
        Assert.False(Register().TryGetOption(OptionNumber.Observe, out _));
        _rig.Resources.Observation = static _ => new Observation();
        Assert.False(_rig.Exchange(_rig.Request(CoapCode.Post, "clock", [CoapOption.OfUInt(OptionNumber.Observe, 0)])).TryGetOption(OptionNumber.Observe, out _));
    }

    [Fact]
    public void A_source_may_have_only_so_many_observations()
    {
        for (var token = 0; token < 100; token++) Register((byte)token, path: $"clock/{token}");
        Assert.Equal(64, _rig.Engine.Observers.Count);
    }

    [Fact]
    public async Task A_large_notification_comes_as_a_first_block_and_the_rest_is_fetched()
    {
        var body = new byte[3000];
        body[2999] = 42;
        _rig.Resources.Handler = (_, _) => new(CoapResponse.Content(body));
        Register();
        var notification = await Tick();
        Assert.Equal(1024, notification.Payload.Length);
        Assert.True(EngineRig.BlockOf(notification, OptionNumber.Block2).More);
        var runs = _rig.Resources.Runs;
        var rest = _rig.Exchange(_rig.Request(CoapCode.Get, "clock", [EngineRig.Block2(2, 1024)]));
        Assert.Equal(42, rest.Payload.Span[^1]);
        Assert.Equal(runs, _rig.Resources.Runs);
    }

    [Fact]
    public void Registering_again_renews_and_does_not_double()
    {
        Register();
        Register();
        Assert.Equal(1, _rig.Engine.Observers.Count);
    }
}
