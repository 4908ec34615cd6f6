using Stint.Coap.Messages;
using Stint.Coap.Tests.Support;

namespace Stint.Coap.Tests.Exchanges;

public sealed class MessageLayerTests : IAsyncLifetime
{
    private readonly EngineRig _rig = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _rig.DisposeAsync().AsTask();

    [Fact]
    public void A_quick_answer_rides_on_the_acknowledgement()
    {
        var request = _rig.Request(CoapCode.Post, "echo", payload: [1, 2, 3]);
        var answer = _rig.Exchange(request);
        Assert.Equal((CoapMessageType.Acknowledgement, CoapCode.Content, request.MessageId), (answer.Type, answer.Code, answer.MessageId));
        Assert.Equal(request.Token, answer.Token);
        Assert.Equal(new byte[] { 1, 2, 3 }, answer.Payload.ToArray());
    }

    [Fact]
    public void A_retransmitted_request_gets_the_same_bytes_and_runs_once()
    {
        var request = _rig.Request(CoapCode.Post, "echo", payload: [1]);
        _rig.Receive(request);
        var first = _rig.NextBytes();
        for (var i = 0; i < 3; i++)
        {
            _rig.Time.Advance(2);
            _rig.Receive(request);
            Assert.Equal(first, _rig.NextBytes());
        }

        Assert.Equal(1, _rig.Resources.Runs);
    }

    [Fact]
    public void After_the_exchange_lifetime_the_same_id_is_a_new_request()
    {
        var request = _rig.Request(CoapCode.Post, "echo");
        _rig.Exchange(request);
        _rig.Time.Advance(248);
        Assert.Equal(0, _rig.Engine.Exchanges.Size.Count);
        _rig.Exchange(request);
        Assert.Equal(2, _rig.Resources.Runs);
    }

    [Fact]
    public void The_same_id_from_another_endpoint_is_another_request()
    {
        var request = _rig.Request(CoapCode.Post, "echo");
        _rig.Exchange(request);
        _rig.Client = EngineRig.Stranger;
        _rig.Exchange(request);
        Assert.Equal(2, _rig.Resources.Runs);
    }

    [Fact]
    public void A_duplicate_of_a_NON_request_is_passed_over_in_silence()
    {
        var request = _rig.Request(CoapCode.Post, "echo", type: CoapMessageType.NonConfirmable);
        Assert.Equal(CoapMessageType.NonConfirmable, _rig.Exchange(request).Type);
        _rig.Receive(request);
        _rig.AssertSilent();
        Assert.Equal(1, _rig.Resources.Runs);
    }

    [Fact]
    public async Task A_slow_answer_comes_separately_and_is_repeated_with_doubling_pauses_until_acknowledged()
    {
        var slow = new TaskCompletionSource<CoapResponse>();
        _rig.Resources.Handler = (_, _) => new(slow.Task);
        var request = _rig.Request(CoapCode.Get, "slow");
        _rig.Receive(request);
        _rig.AssertSilent();

        _rig.Time.Advance(0.6);
        var acknowledgement = _rig.Next();
        Assert.Equal((CoapMessageType.Acknowledgement, CoapCode.Empty, request.MessageId), (acknowledgement.Type, acknowledgement.Code, acknowledgement.MessageId));

        _rig.Receive(request); // A duplicate while the handler runs: the acknowledgement again.
        Assert.Equal(CoapCode.Empty, _rig.Next().Code);

        slow.SetResult(CoapResponse.Text("done"));
        var answer = await _rig.NextAsync();
        Assert.Equal((CoapMessageType.Confirmable, CoapCode.Content), (answer.Type, answer.Code));
        Assert.Equal(request.Token, answer.Token);

        // ACK_TIMEOUT × 1 … 1.5, then twice that.
        _rig.Time.Advance(1.9);
        _rig.AssertSilent();
        _rig.Time.Advance(1.2);
        Assert.Equal(answer, _rig.Next());
        _rig.Time.Advance(2.8);
        _rig.AssertSilent();
        _rig.Time.Advance(3.2);
        Assert.Equal(answer, _rig.Next());

        _rig.Receive(0x60, 0x00, (byte)(answer.MessageId >> 8), (byte)answer.MessageId);
        _rig.Time.Advance(120);
        _rig.AssertSilent();
        Assert.Equal(0, _rig.Engine.Outgoing.Count);
        Assert.Equal(1, _rig.Resources.Runs);
    }

    [Fact]
    public async Task A_separate_answer_that_nobody_acknowledges_is_given_up_after_four_retransmissions()
    {
        var slow = new TaskCompletionSource<CoapResponse>();
        _rig.Resources.Handler = (_, _) => new(slow.Task);
        _rig.Receive(_rig.Request(CoapCode.Get, "slow"));
        _rig.Time.Advance(1);
        slow.SetResult(CoapResponse.Changed);
        await Eventually.Holds(() => _rig.Pending == 2);

        _rig.Time.Advance(120);
        Assert.Equal(1 + 5, _rig.Pending);
        Assert.Equal(1, _rig.Engine.Counters[CoapEvent.OutgoingLost]);
        Assert.Equal(0, _rig.Engine.Outgoing.Count);
    }

    [Fact]
    public async Task Only_one_confirmable_message_is_under_way_to_a_peer()
    {
        var slow = new TaskCompletionSource<CoapResponse>();
        _rig.Resources.Handler = (_, _) => new(slow.Task);
        _rig.Receive(_rig.Request(CoapCode.Get, "slow", token: 1));
        _rig.Receive(_rig.Request(CoapCode.Get, "slow", token: 2));
        _rig.Time.Advance(1);
        _rig.Next();
        _rig.Next();
        slow.SetResult(CoapResponse.Changed);
        await Eventually.Holds(() => _rig.Engine.Outgoing.Count == 2);

        var first = await _rig.NextAsync();
        _rig.AssertSilent();
        _rig.Receive(0x60, 0x00, (byte)(first.MessageId >> 8), (byte)first.MessageId);
        Assert.NotEqual(first.Token, _rig.Next().Token);
    }

    [Fact]
    public void A_ping_gets_a_reset()
    {
        _rig.Receive(0x40, 0x00, 0x12, 0x34);
        Assert.Equal([0x70, 0x00, 0x12, 0x34], _rig.NextBytes());
    }

    [Theory]
    [InlineData("80017d34", false, "version 2 is ignored")]
    [InlineData("4001", false, "less than a header is ignored")]
    [InlineData("49017d34010203040506070809", true, "CON with token length 9")]
    [InlineData("59017d34010203040506070809", false, "NON with token length 9")]
    [InlineData("40017d34ff", true, "CON with an empty payload")]
    [InlineData("50017d34ff", false, "NON with an empty payload")]
    [InlineData("60017d34", false, "a request in an ACK")]
    [InlineData("70017d34", false, "a request in a RST")]
    [InlineData("40457d34", true, "a CON response that nobody waits for")]
    [InlineData("60457d34", false, "an ACK response that nobody waits for")]
    [InlineData("40217d34", true, "a CON of the reserved class 1")]
    [InlineData("50e17d34", false, "a NON of the reserved class 7")]
    [InlineData("41007d3401", true, "an empty CON with a token")]
    [InlineData("60007d34", false, "an ACK for nothing")]
    [InlineData("70007d34", false, "a RST for nothing")]
    public void Confirmable_nonsense_gets_a_reset_and_all_other_nonsense_silence(string hex, bool reset, string what)
    {
        _rig.Receive(Convert.FromHexString(hex));
        Assert.True(reset == (_rig.Pending == 1), what);
        if (reset) Assert.Equal([0x70, 0x00, 0x7d, 0x34], _rig.NextBytes());
        Assert.Equal(0, _rig.Resources.Runs);
    }

    [Fact]
    public void An_unknown_critical_option_is_a_bad_option()
    {
        var answer = _rig.Exchange(_rig.Request(CoapCode.Get, "echo", [new CoapOption(2049, new byte[1])]));
        Assert.Equal(CoapCode.BadOption, answer.Code);
        Assert.Equal(0, _rig.Resources.Runs);
    }

    [Fact]
    public void An_unknown_critical_option_in_a_NON_request_is_rejected_in_silence()
    {
        _rig.Receive(_rig.Request(CoapCode.Get, "echo", [new CoapOption(2049, new byte[1])], type: CoapMessageType.NonConfirmable));
        _rig.AssertSilent();
        Assert.Equal(0, _rig.Resources.Runs);
    }

    [Fact]
    public void An_unknown_elective_option_and_one_of_a_wrong_length_are_passed_over()
    {
        Assert.Equal(CoapCode.Content, _rig.Exchange(_rig.Request(CoapCode.Get, "echo", [new CoapOption(2048, new byte[1]), new CoapOption(OptionNumber.Size1, new byte[9])])).Code);
    }

    [Fact]
    public void A_critical_option_of_a_wrong_length_or_given_twice_is_a_bad_option()
    {
        Assert.Equal(CoapCode.BadOption, _rig.Exchange(_rig.Request(CoapCode.Get, "echo", [new CoapOption(OptionNumber.Accept, new byte[3])])).Code);
        Assert.Equal(CoapCode.BadOption, _rig.Exchange(_rig.Request(CoapCode.Get, "echo", [CoapOption.OfUInt(OptionNumber.Accept, 0), CoapOption.OfUInt(OptionNumber.Accept, 50)])).Code);
    }

    [Fact]
    public void A_proxy_request_and_an_unknown_method_are_refused()
    {
        Assert.Equal(CoapCode.ProxyingNotSupported, _rig.Exchange(_rig.Request(CoapCode.Get, "echo", [CoapOption.OfText(OptionNumber.ProxyUri, "coap://a/b")])).Code);
        Assert.Equal(CoapCode.MethodNotAllowed, _rig.Exchange(_rig.Request(new CoapCode(8), "echo")).Code);
    }

    [Fact]
    public void A_path_that_is_no_UTF8_is_a_bad_request() =>
        Assert.Equal(CoapCode.BadRequest, _rig.Exchange(_rig.Request(CoapCode.Get, "", [new CoapOption(OptionNumber.UriPath, new byte[] { 0xc3, 0x28 })])).Code);

    [Theory]
    [InlineData(40, true)]
    [InlineData(100, false)]
    public void Extended_tokens_are_echoed_and_too_long_ones_refused_with_an_answer(int length, bool accepted)
    {
        var token = new CoapToken(new byte[length]);
        var answer = _rig.Exchange(new CoapMessage { Type = CoapMessageType.Confirmable, Code = CoapCode.Get, MessageId = 5, Token = token });
        Assert.Equal(accepted ? CoapCode.Content : CoapCode.BadRequest, answer.Code);
        Assert.Equal(token, answer.Token);
    }

    [Theory]
    [InlineData(2, false, true)]
    [InlineData(8, true, false)]
    [InlineData(26, false, false)]
    public void No_response_suppresses_the_classes_that_it_names(int value, bool success, bool failure)
    {
        CoapOption[] noResponse = [CoapOption.OfUInt(OptionNumber.NoResponse, (uint)value)];
        Assert.Equal(success, _rig.Exchange(_rig.Request(CoapCode.Post, "echo", noResponse)).Code == CoapCode.Content);
        _rig.Receive(_rig.Request(CoapCode.Post, "echo", noResponse, type: CoapMessageType.NonConfirmable));
        Assert.Equal(success, _rig.Pending == 1);
        if (success) _rig.Next();

        _rig.Resources.Handler = static (_, _) => new(CoapResponse.Error(CoapCode.NotFound));
        Assert.Equal(failure, _rig.Exchange(_rig.Request(CoapCode.Post, "echo", noResponse)).Code == CoapCode.NotFound);
    }

    [Fact]
    public void A_slow_request_that_wants_no_answer_is_acknowledged_at_once_and_never_answered()
    {
        var slow = new TaskCompletionSource<CoapResponse>();
        _rig.Resources.Handler = (_, _) => new(slow.Task);
        var answer = _rig.Exchange(_rig.Request(CoapCode.Post, "slow", [CoapOption.OfUInt(OptionNumber.NoResponse, 26)]));
        Assert.Equal((CoapMessageType.Acknowledgement, CoapCode.Empty), (answer.Type, answer.Code));
        slow.SetResult(CoapResponse.Changed);
        _rig.Time.Advance(10);
        _rig.AssertSilent();
    }

    [Fact]
    public void A_handler_that_throws_is_a_5_00_and_told_to_the_owner()
    {
        _rig.Resources.Handler = static (_, _) => throw new InvalidOperationException("broken");
        Assert.Equal(CoapCode.InternalServerError, _rig.Exchange(_rig.Request(CoapCode.Get, "a")).Code);
        Assert.Equal("handling a request: broken", Assert.Single(_rig.Faults));
    }

    [Fact]
    public void An_etag_that_the_client_has_is_answered_with_2_03()
    {
        _rig.Resources.Handler = static (_, _) => new(CoapResponse.Text("x") with { ETag = new byte[] { 1, 2 } });
        var answer = _rig.Exchange(_rig.Request(CoapCode.Get, "a", [new CoapOption(OptionNumber.ETag, new byte[] { 9 }), new CoapOption(OptionNumber.ETag, new byte[] { 1, 2 })]));
        Assert.Equal((CoapCode.Valid, 0), (answer.Code, answer.Payload.Length));
        Assert.True(answer.TryGetOption(OptionNumber.ETag, out _));
    }

    [Fact]
    public void Options_of_the_handler_stand_in_order_between_those_of_the_server()
    {
        _rig.Resources.Handler = static (_, _) => new(new CoapResponse
        {
            Code = CoapCode.Created,
            Payload = "x"u8.ToArray(),
            ContentFormat = 0,
            MaxAge = 5,
            ETag = new byte[] { 1 },
            Options = [CoapOption.OfText(OptionNumber.LocationPath, "a"), CoapOption.OfText(OptionNumber.LocationPath, "b"), CoapOption.OfText(OptionNumber.LocationQuery, "c"), new(2048, new byte[1])],
        });
        var answer = _rig.Exchange(_rig.Request(CoapCode.Post, "a"));
        Assert.Equal([4, 8, 8, 12, 14, 20, 2048], answer.Options.Select(option => option.Number));
    }

    [Fact]
    public async Task More_requests_than_may_run_are_refused_with_the_time_to_try_again()
    {
        await using var rig = new EngineRig(options => options with { MaxConcurrent = 2 });
        var slow = new TaskCompletionSource<CoapResponse>();
        rig.Resources.Handler = (_, _) => new(slow.Task);
        rig.Receive(rig.Request(CoapCode.Get, "a"));
        rig.Receive(rig.Request(CoapCode.Get, "a"));
        var refused = rig.Exchange(rig.Request(CoapCode.Get, "a"));
        Assert.Equal(CoapCode.ServiceUnavailable, refused.Code);
        Assert.True(refused.TryGetOption(OptionNumber.MaxAge, out var maxAge));
        Assert.Equal(2u, maxAge.AsUInt());
        slow.SetResult(CoapResponse.Changed);
    }

    [Fact]
    public async Task A_stopping_server_lets_running_requests_end_and_takes_no_new_ones()
    {
        var slow = new TaskCompletionSource<CoapResponse>();
        _rig.Resources.Handler = (_, _) => new(slow.Task);
        _rig.Receive(_rig.Request(CoapCode.Get, "a"));
        var stopped = _rig.Engine.StopAsync(TimeSpan.FromSeconds(10)).AsTask();
        Assert.Equal(CoapCode.ServiceUnavailable, _rig.Exchange(_rig.Request(CoapCode.Get, "a")).Code);
        Assert.False(stopped.IsCompleted);
        slow.SetResult(CoapResponse.Changed);
        await stopped.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        Assert.Equal(CoapCode.Changed, (await _rig.NextAsync()).Code);
    }
}
