using System.Net;
using Stint.Coap.Admission;
using Stint.Coap.Messages;
using Stint.Coap.Tests.Support;
using Stint.Coap.Transport;

namespace Stint.Coap.Tests.Admission;

public sealed class AdmissionTests : IAsyncLifetime
{
    private readonly EngineRig _rig = new() { Client = EngineRig.Stranger };
    private readonly byte[] _large = [.. Enumerable.Range(0, 3000).Select(i => (byte)i)];

    public AdmissionTests() => _rig.Resources.Handler = (_, _) => new(CoapResponse.Content(_large));

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _rig.DisposeAsync().AsTask();

    [Fact]
    public void A_large_answer_to_a_stranger_shrinks_to_a_block_within_the_bound_and_the_rest_can_be_fetched()
    {
        var request = _rig.Request(CoapCode.Get, "f");
        _rig.Receive(request);
        var bytes = _rig.NextBytes();
        Assert.InRange(bytes.Length, 1, Math.Max(136, 3 * request.ToArray().Length));
        Assert.True(CoapMessage.TryParse(bytes, out var first));
        var block = EngineRig.BlockOf(first, OptionNumber.Block2);
        Assert.True(block.More);

        var body = new List<byte>(first.Payload.ToArray());
        while (block.More)
        {
            var next = _rig.Exchange(_rig.Request(CoapCode.Get, "f", [EngineRig.Block2(block.Number + 1, block.Size)]));
            block = EngineRig.BlockOf(next, OptionNumber.Block2);
            body.AddRange(next.Payload.ToArray());
        }

        Assert.Equal(_large, body);
        Assert.Equal(1, _rig.Resources.Runs);
    }

    [Fact]
    public void A_stranger_that_sends_the_Echo_back_gets_answers_of_full_size()
    {
        Assert.True(_rig.Exchange(_rig.Request(CoapCode.Get, "f")).TryGetOption(OptionNumber.Echo, out var echo));
        Assert.Equal(1024, _rig.Exchange(_rig.Request(CoapCode.Get, "f", [echo])).Payload.Length);
        Assert.Equal(1024, _rig.Exchange(_rig.Request(CoapCode.Get, "f")).Payload.Length);

        _rig.Client = EngineRig.Stranger with { Port = 5 };
        Assert.True(_rig.Exchange(_rig.Request(CoapCode.Get, "f", [echo])).Payload.Length < 136, "an Echo value is good for its own peer only");
    }

    [Fact]
    public async Task A_server_may_challenge_instead()
    {
        await using var rig = new EngineRig(options => options with { AmplificationAnswer = AmplificationAnswer.EchoChallenge }) { Client = EngineRig.Stranger };
        rig.Resources.Handler = _rig.Resources.Handler;
        var challenge = rig.Exchange(rig.Request(CoapCode.Get, "f"));
        Assert.Equal((CoapCode.Unauthorized, 0), (challenge.Code, challenge.Payload.Length));
        Assert.True(challenge.TryGetOption(OptionNumber.Echo, out var echo));
        Assert.Equal(1024, rig.Exchange(rig.Request(CoapCode.Get, "f", [echo])).Payload.Length);
    }

    [Fact]
    public void A_stranger_that_asks_for_a_block_size_gets_it() =>
        Assert.Equal(512, _rig.Exchange(_rig.Request(CoapCode.Get, "f", [EngineRig.Block2(0, 512)])).Payload.Length);

    [Fact]
    public void A_stranger_that_sends_much_may_be_answered_much()
    {
        _rig.Resources.Handler = static (request, _) => new(CoapResponse.Content(request.Payload));
        Assert.Equal(900, _rig.Exchange(_rig.Request(CoapCode.Post, "f", payload: new byte[900])).Payload.Length);
    }

    [Fact]
    public void The_text_of_an_error_that_is_too_long_for_a_stranger_is_left_out()
    {
        _rig.Resources.Handler = static (_, _) => new(CoapResponse.Error(CoapCode.InternalServerError, new string('x', 500)));
        Assert.Equal(0, _rig.Exchange(_rig.Request(CoapCode.Get, "f")).Payload.Length);
        _rig.Client = EngineRig.Local;
        Assert.Equal(500, _rig.Exchange(_rig.Request(CoapCode.Get, "f")).Payload.Length);
    }

    [Fact]
    public void An_Echo_value_that_is_old_or_changed_proves_nothing()
    {
        var verification = new SourceVerification(16);
        var echo = new byte[SourceVerification.EchoLength];
        verification.WriteEcho(EngineRig.Stranger, 1000, echo);
        Assert.False(verification.Verify(EngineRig.Stranger, echo, 1000 + 121_000));
        echo[^1] ^= 1;
        Assert.False(verification.Verify(EngineRig.Stranger, echo, 1001));
        echo[^1] ^= 1;
        Assert.True(verification.Verify(EngineRig.Stranger, echo, 1001));
        Assert.True(verification.IsVerified(EngineRig.Stranger, 1002));
        Assert.False(verification.IsVerified(EngineRig.Stranger, 1001 + 900_001));
    }

    [Fact]
    public void A_source_beyond_its_rate_is_dropped_and_others_are_not()
    {
        var limits = new SourceLimits(perSecond: 10, burst: 20);
        var admitted = Enumerable.Range(0, 100).Count(_ => limits.Admit(EngineRig.Stranger, now: 1000));
        Assert.Equal(20, admitted);
        Assert.True(limits.Admit(EngineRig.Local, 1000));
        Assert.Equal(5, Enumerable.Range(0, 100).Count(_ => limits.Admit(EngineRig.Stranger, now: 1500)));
    }

    [Fact]
    public void A_flood_of_spoofed_sources_stays_within_the_bounds()
    {
        for (var i = 0; i < 200_000; i++)
        {
            _rig.Client = Peer.From(new IPEndPoint(new IPAddress(0x0a + (i << 8)), 1 + (i % 60_000)));
            _rig.Receive(_rig.Request(CoapCode.Get, "f", id: (ushort)i));
            _rig.Next();
        }

        Assert.InRange(_rig.Engine.Exchanges.Size.Count, 60_000, 65_536);
        Assert.InRange(_rig.Engine.Downloads.Size.Count, 1, 1024);
        Assert.Equal(0, _rig.Engine.Outgoing.Count);
    }
}
