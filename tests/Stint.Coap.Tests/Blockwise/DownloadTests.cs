using Stint.Coap.Blockwise;
using Stint.Coap.Messages;
using Stint.Coap.Tests.Support;

namespace Stint.Coap.Tests.Blockwise;

public sealed class DownloadTests : IAsyncLifetime
{
    private readonly EngineRig _rig = new();
    private readonly byte[] _body = [.. Enumerable.Range(0, 5000).Select(i => (byte)(i * 17))];

    public DownloadTests() => _rig.Resources.Handler = (_, _) => new(CoapResponse.Content(_body));

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _rig.DisposeAsync().AsTask();

    private byte[] FetchAll(CoapMessage first, Func<int, int, CoapMessage> ask)
    {
        var body = new List<byte>(first.Payload.ToArray());
        var block = EngineRig.BlockOf(first, OptionNumber.Block2);
        first.TryGetOption(OptionNumber.ETag, out var tag);
        while (block.More)
        {
            var next = _rig.Exchange(ask(block.Number + 1, block.Size));
            block = EngineRig.BlockOf(next, OptionNumber.Block2);
            Assert.True(next.TryGetOption(OptionNumber.ETag, out var same) && same.Equals(tag), "all blocks carry one ETag");
            body.AddRange(next.Payload.ToArray());
        }

        return [.. body];
    }

    [Theory]
    [InlineData(16)]
    [InlineData(64)]
    [InlineData(1024)]
    public void A_large_answer_comes_in_the_blocks_that_were_asked_for_from_one_run(int size)
    {
        var first = _rig.Exchange(_rig.Request(CoapCode.Get, "f", [EngineRig.Block2(0, size)]));
        Assert.Equal(size, EngineRig.BlockOf(first, OptionNumber.Block2).Size);
        Assert.True(first.TryGetOption(OptionNumber.Size2, out var total));
        Assert.Equal(5000u, total.AsUInt());
        Assert.Equal(_body, FetchAll(first, (number, s) => _rig.Request(CoapCode.Get, "f", [EngineRig.Block2(number, s)])));
        Assert.Equal(1, _rig.Resources.Runs);
    }

    [Fact]
    public void A_large_answer_to_a_POST_can_be_fetched_without_posting_again()
    {
        var first = _rig.Exchange(_rig.Request(CoapCode.Post, "f", [CoapOption.OfUInt(OptionNumber.ContentFormat, 0)], [1, 2, 3]));
        Assert.Equal(_body, FetchAll(first, (number, s) => _rig.Request(CoapCode.Post, "f", [EngineRig.Block2(number, s)])));
        Assert.Equal(1, _rig.Resources.Runs);
    }

    [Fact]
    public void The_size_may_shrink_on_the_way()
    {
        var first = _rig.Exchange(_rig.Request(CoapCode.Get, "f"));
        Assert.Equal(1024, first.Payload.Length);
        var next = _rig.Exchange(_rig.Request(CoapCode.Get, "f", [EngineRig.Block2(16, 64)]));
        Assert.Equal(_body[1024..1088], next.Payload.ToArray());
    }

    [Fact]
    public void A_later_block_of_something_forgotten_is_made_anew_for_GET_and_4_08_for_POST()
    {
        var get = _rig.Exchange(_rig.Request(CoapCode.Get, "f", [EngineRig.Block2(2, 1024)]));
        Assert.Equal(_body[2048..3072], get.Payload.ToArray());
        Assert.Equal(CoapCode.RequestEntityIncomplete, _rig.Exchange(_rig.Request(CoapCode.Post, "f", [EngineRig.Block2(2, 1024)])).Code);
        Assert.Equal(1, _rig.Resources.Runs);
    }

    [Fact]
    public void A_block_beyond_the_end_is_a_bad_request() =>
        Assert.Equal(CoapCode.BadRequest, _rig.Exchange(_rig.Request(CoapCode.Get, "f", [EngineRig.Block2(5, 1024)])).Code);

    [Fact]
    public void A_small_answer_to_a_request_with_a_block_size_says_that_it_is_the_only_block()
    {
        _rig.Resources.Handler = static (_, _) => new(CoapResponse.Text("x"));
        Assert.Equal(new BlockValue(0, false, 2), EngineRig.BlockOf(_rig.Exchange(_rig.Request(CoapCode.Get, "f", [EngineRig.Block2(0, 64)])), OptionNumber.Block2));
    }

    [Fact]
    public void A_new_request_runs_again_and_takes_the_place_of_the_old_answer()
    {
        _rig.Exchange(_rig.Request(CoapCode.Get, "f"));
        byte[] newer = [.. _body.Reverse()];
        _rig.Resources.Handler = (_, _) => new(CoapResponse.Content(newer));
        var first = _rig.Exchange(_rig.Request(CoapCode.Get, "f"));
        Assert.Equal(newer, FetchAll(first, (number, s) => _rig.Request(CoapCode.Get, "f", [EngineRig.Block2(number, s)])));
    }

    [Fact]
    public void Downloads_end_by_themselves_and_stay_within_their_number()
    {
        for (var i = 1; i <= 3000; i++)
        {
            _rig.Client = EngineRig.Local with { Port = (ushort)i };
            _rig.Exchange(_rig.Request(CoapCode.Get, "f"));
        }

        Assert.Equal(1024, _rig.Engine.Downloads.Size.Count);
        _rig.Time.Advance(94);
        Assert.Equal((0, 0), _rig.Engine.Downloads.Size);
    }

    [Fact]
    public void A_large_body_up_and_a_large_answer_down_in_one_exchange()
    {
        _rig.Resources.Handler = static (request, _) => new(CoapResponse.Content(request.Payload));
        CoapMessage last = null!;
        for (var number = 0; number * 1024 < _body.Length; number++)
        {
            var end = Math.Min((number + 1) * 1024, _body.Length);
            last = _rig.Exchange(_rig.Request(CoapCode.Post, "f", [EngineRig.Block1(number, end < _body.Length, 1024)], _body[(number * 1024)..end]));
        }

        Assert.Equal(4, EngineRig.BlockOf(last, OptionNumber.Block1).Number);
        Assert.Equal(_body, FetchAll(last, (number, s) => _rig.Request(CoapCode.Post, "f", [EngineRig.Block2(number, s)])));
        Assert.Equal(1, _rig.Resources.Runs);
    }

    [Fact]
    public void The_text_of_an_error_is_cut_between_characters()
    {
        _rig.Resources.Handler = static (_, _) => new(CoapResponse.Error(CoapCode.InternalServerError, string.Concat(Enumerable.Repeat("€", 1000))));
        var answer = _rig.Exchange(_rig.Request(CoapCode.Get, "f"));
        Assert.Equal(1023, answer.Payload.Length);
    }
}
